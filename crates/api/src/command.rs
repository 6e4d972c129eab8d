//! What can be asked: one file per aggregate, each handler one command.

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod frames;
pub(crate) mod login;
pub(crate) mod message;
pub(crate) mod participant;
pub(crate) mod reset;
pub(crate) mod room;
pub(crate) mod teach;
pub(crate) mod transcript;
pub(crate) mod webhook;
