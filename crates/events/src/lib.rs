//! The vocabulary and the rules: ids, commands, events, stored history, decide, evolve. Pure.
