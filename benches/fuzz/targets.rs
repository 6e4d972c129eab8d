//! Who reads the bytes, and what must hold of what they take.

use clips::live_wire::Frames;
use clips::pose::Version;
use clips::{Frame, Image, live_wire, pose};
use events::sealed::Clear;
use events::{Block, Commit, Position, text};
use projector::Search;
use recognizer::features::Senses;
use recognizer::features::picture::Gray;
use recognizer::model::library::trial;
use recognizer::model::{Files, Input};

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// `.pose` files.
    Pose,
    /// The live wire, with landmarks or pictures.
    Live,
    /// JPEG frames.
    Jpeg,
    /// `model.json` and weights.
    Model,
    /// Blocks of the log and single commits, as an import and a changed log bring them.
    Block,
    /// Names, addresses, bodies of text and searches, as people type them.
    Text,
}

/// How an input was answered.
pub struct Answer(Result<usize, String>);

impl Answer {
    pub(super) fn is_taken(&self) -> bool {
        self.0.is_ok()
    }

    /// What is the same for answers of one sort: the words of a refusal without its numbers, the
    /// size of what was taken.
    pub(super) fn shape(&self) -> String {
        match &self.0 {
            Ok(size) => format!("taken {}", size.next_power_of_two()),
            Err(refusal) => refusal.chars().filter(|c| !c.is_ascii_digit()).take(120).collect(),
        }
    }
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Pose, Self::Live, Self::Jpeg, Self::Model, Self::Block, Self::Text];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pose => "pose",
            Self::Live => "live",
            Self::Jpeg => "jpeg",
            Self::Model => "model",
            Self::Block => "block",
            Self::Text => "text",
        }
    }

    /// Gives the bytes to their reader. `Err` is a find: what was taken is not what it should be.
    pub fn tries(self, bytes: &[u8]) -> Result<Answer, String> {
        match self {
            Self::Pose => tries_pose(bytes),
            Self::Live => tries_live(bytes),
            Self::Jpeg => tries_jpeg(bytes),
            Self::Model => tries_model(bytes),
            Self::Block => tries_block(bytes),
            Self::Text => tries_text(bytes),
        }
    }
}

fn tries_pose(bytes: &[u8]) -> Result<Answer, String> {
    let clip = match pose::parse(bytes) {
        Ok(clip) => clip,
        Err(error) => return Ok(Answer(Err(error.to_string()))),
    };
    if clip.frames.len() > pose::MAX_FRAMES {
        return Err(format!("{} frames were taken", clip.frames.len()));
    }
    sensible(&clip.frames)?;
    let written = pose::write(&clip, Version::V0_2);
    if written.len() > pose::MAX_BYTES {
        // Few points a frame came in; all that there are go out.
        return Ok(Answer(Ok(clip.frames.len())));
    }
    let again = pose::parse(&written);
    let again = again.map_err(|error| format!("what was taken can't be read again: {error}"))?;
    if again.frames.len() != clip.frames.len() {
        return Err("written and read again, it has another length".to_owned());
    }
    Ok(Answer(Ok(clip.frames.len())))
}

fn tries_live(bytes: &[u8]) -> Result<Answer, String> {
    let batch = match live_wire::parse(bytes) {
        Ok(batch) => batch,
        Err(error) => return Ok(Answer(Err(error.to_string()))),
    };
    let count = batch.frames.len();
    match batch.frames {
        Frames::Landmarks(frames) => {
            sensible(&frames)?;
            let again = live_wire::parse(&live_wire::encode(&frames, batch.seq_first));
            let again = again.map_err(|error| format!("it can't be read again: {error}"))?;
            if again.frames.len() != count {
                return Err("written and read again, it has another length".to_owned());
            }
        }
        Frames::Images(images) => {
            for image in &images {
                // A picture that can't be decoded is refused by whoever looks at it.
                let _ = Gray::decode(image);
            }
        }
    }
    Ok(Answer(Ok(count)))
}

fn tries_jpeg(bytes: &[u8]) -> Result<Answer, String> {
    let image = match Image::new(0, false, bytes) {
        Ok(image) => image,
        Err(fault) => return Ok(Answer(Err(fault.to_string()))),
    };
    match Gray::decode(&image) {
        Ok(gray) => {
            let mut senses = Senses::new(Input::Images);
            let (_, numbers) = senses.push(&gray.small(0).into());
            if numbers.is_some_and(|numbers| numbers.iter().any(|n| !n.is_finite())) {
                return Err("a picture's features are not numbers".to_owned());
            }
            Ok(Answer(Ok(bytes.len())))
        }
        Err(error) => Ok(Answer(Err(error.to_string()))),
    }
}

/// Frames that were taken: times do not fall, and the features are numbers.
fn sensible(frames: &[Frame]) -> Result<(), String> {
    let falls = frames.windows(2).any(|pair| pair[1].time_us < pair[0].time_us);
    if falls {
        return Err("times that fall were taken".to_owned());
    }
    let mut senses = Senses::new(Input::Landmarks);
    for frame in frames {
        let (_, numbers) = senses.push(&frame.into());
        if let Some(place) = numbers.and_then(|all| all.iter().position(|n| !n.is_finite())) {
            return Err(format!("feature {place} of a frame that was taken is not a number"));
        }
    }
    Ok(())
}

fn tries_model(bytes: &[u8]) -> Result<Answer, String> {
    let split = || {
        let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let rest = &bytes[4..];
        (length <= rest.len()).then(|| rest.split_at(length))
    };
    let Some((json, weights)) = split() else {
        return Ok(Answer(Err("no model at all".to_owned())));
    };
    let files = Files { json: json.to_vec().into(), weights: weights.to_vec().into() };
    match files.open() {
        Ok(mut model) => {
            let labels = model.spec().vocabulary.len();
            // One that says nonsense is refused before it serves.
            match trial(model.as_mut()) {
                Ok(()) => Ok(Answer(Ok(labels))),
                Err(error) => Ok(Answer(Err(error.to_string()))),
            }
        }
        Err(error) => Ok(Answer(Err(error.to_string()))),
    }
}

fn tries_block(bytes: &[u8]) -> Result<Answer, String> {
    let commits = match (Block::alone(bytes.to_vec()), std::str::from_utf8(bytes)) {
        (Ok(block), _) => {
            let head = block.head();
            if head.position < block.header.first || head.block != block.header.block {
                return Err(format!("the head {head:?} is not the block's"));
            }
            block.commits().map_err(|error| error.to_string())
        }
        (Err(_), Ok(line)) => {
            let commit = Commit::decode(line);
            commit.map(|commit| vec![(Position::new(1), commit)]).map_err(|error| error.to_string())
        }
        (Err(error), Err(_)) => Err(error.to_string()),
    };
    let commits = match commits {
        Ok(commits) => commits,
        Err(refusal) => return Ok(Answer(Err(refusal))),
    };
    for (_, commit) in &commits {
        // An old event is written as the newest of its kind; from then on nothing changes.
        let line = commit.encode().map_err(|error| format!("it can't be written: {error}"))?;
        let again = Commit::decode(&line);
        let again = again.map_err(|error| format!("{line} can't be read again: {error}"))?;
        if again != *commit {
            return Err(format!("written and read again, it is another: {line}"));
        }
    }
    Ok(Answer(Ok(commits.len())))
}

fn tries_text(bytes: &[u8]) -> Result<Answer, String> {
    let Ok(typed) = std::str::from_utf8(bytes) else {
        return Ok(Answer(Err("no UTF-8".to_owned())));
    };
    let clear = Clear::new(typed.to_owned());
    let harmless = text::harmless(typed);
    if text::harmless(&harmless) != harmless {
        return Err("made harmless once more, it is another".to_owned());
    }
    let compared = text::compared_name(typed);
    // "´" is a space and an accent once it is folded; both are seen as they are from then on.
    if text::compared_name(&compared).trim() != compared.trim() {
        return Err(format!("compared names are folded to the end: {compared:?}"));
    }
    let rules = [
        text::name("name", &clear, text::USERNAME),
        text::address("email", &clear),
        text::body("text", &clear, text::MESSAGE),
    ];
    let mut taken = 0;
    for (rule, kept) in rules.into_iter().enumerate() {
        let Ok(kept) = kept else { continue };
        taken += 1;
        let clear = Clear::new(kept.clone());
        let again = match rule {
            0 => text::name("name", &clear, text::USERNAME),
            1 => text::address("email", &clear),
            _ => text::body("text", &clear, text::MESSAGE),
        };
        if again.as_ref().ok() != Some(&kept) {
            return Err(format!(
                "rule {rule} took {kept:?} and would not take it again: {again:?}"
            ));
        }
        if text::compared_name(&kept) != compared && rule == 0 {
            return Err(format!("{kept:?} is kept, and compared as another name than {typed:?}"));
        }
    }
    if let Err(many) = Search::parse(typed)
        && many.found <= projector::SEARCH_WORDS_MAX
    {
        return Err(format!("a search of {} words is refused", many.found));
    }
    Ok(Answer(if taken > 0 { Ok(taken) } else { Err("no rule takes it".to_owned()) }))
}
