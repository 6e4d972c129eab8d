//! The tables against the real thing: SQLite files and a private PostgreSQL, the same tests on both.

mod crash;
mod replay;
mod tables;
mod world;
