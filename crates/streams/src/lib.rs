//! What flows between processes: the log, frames, commands, live messages.
