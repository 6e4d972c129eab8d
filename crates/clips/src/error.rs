//! What can be wrong with bytes from outside, and where: a refused batch tells its sender the
//! byte, the frame and the point at fault.

use std::fmt;

/// Bytes that were refused: what is wrong, and where.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct ClipError {
    /// What is wrong.
    pub fault: ClipFault,
    /// Where it is.
    pub place: Place,
}

/// Where a fault lies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Byte offset from the start of the file or batch.
    pub offset: usize,
    /// Index of the frame, from 0, where the fault lies in one.
    pub frame: Option<usize>,
    /// Component and point, such as `LEFT_HAND_LANDMARKS WRIST`, where the fault lies in one.
    pub point: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}", self.offset)?;
        if let Some(frame) = self.frame {
            write!(f, ", frame {frame}")?;
        }
        match &self.point {
            Some(point) => write!(f, ", {point}"),
            None => Ok(()),
        }
    }
}

/// What is wrong with the bytes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClipFault {
    /// The bytes end before what they announce.
    #[error("{what} needs {needed} bytes, {left} are left")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Bytes it needs.
        needed: u64,
        /// Bytes that are left.
        left: u64,
    },
    /// Bytes follow the last frame.
    #[error("{bytes} bytes follow the last frame")]
    Trailing {
        /// How many.
        bytes: u64,
    },
    /// A count or a length is above its limit.
    #[error("{what} is {value}, the limit is {limit}")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// The value found.
        value: u64,
        /// The largest value taken.
        limit: u64,
    },
    /// A field holds a value that is not understood.
    #[error("{what} is {value}; expected {expected}")]
    Unexpected {
        /// The field.
        what: &'static str,
        /// The value found.
        value: String,
        /// What would have been taken.
        expected: &'static str,
    },
    /// A name is not UTF-8.
    #[error("{what} is not valid UTF-8")]
    NotUtf8 {
        /// The name's role.
        what: &'static str,
    },
    /// A number of a point that is there is NaN, infinite or absurdly large.
    #[error("{axis} is {value}; expected a finite number within ±{limit}")]
    NotANumber {
        /// `x`, `y`, `z` or `confidence`.
        axis: &'static str,
        /// The value found.
        value: f32,
        /// Largest magnitude taken.
        limit: f32,
    },
    /// Capture times run backwards.
    #[error("capture time {time_us} µs lies before the frame before it, at {previous_us} µs")]
    TimeBackwards {
        /// Time of this frame, µs.
        time_us: u64,
        /// Time of the frame before, µs.
        previous_us: u64,
    },
    /// A picture that is no JPEG, or that can't be decoded.
    #[error("picture refused: {reason}")]
    Picture {
        /// Why.
        reason: String,
    },
}

impl ClipFault {
    /// This fault at a byte offset.
    pub fn at(self, offset: usize) -> ClipError {
        ClipError { fault: self, place: Place { offset, frame: None, point: None } }
    }

    /// This fault at a byte offset, in a frame.
    pub fn in_frame(self, offset: usize, frame: usize) -> ClipError {
        ClipError { fault: self, place: Place { offset, frame: Some(frame), point: None } }
    }
}
