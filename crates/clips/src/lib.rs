//! Files and wires that carry signing: .pose, live landmarks, JPEG frames.
