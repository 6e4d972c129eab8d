//! The rig itself, in short: it finds nothing in the server, and the sabotage at once.

mod chaos;
mod fuzz;
mod power;
