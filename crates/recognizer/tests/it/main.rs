//! The recognizer on the real thing: clips, sockets, servers.

mod clips;
