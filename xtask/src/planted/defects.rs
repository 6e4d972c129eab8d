//! The defects: one line of right code each, what it becomes, and the tests that should see it. The
//! code stands here twice; a test says when the two have parted.

/// A defect to be planted.
pub(super) struct Defect {
    pub(super) name: &'static str,
    pub(super) file: &'static str,
    pub(super) right: &'static str,
    pub(super) wrong: &'static str,
    /// A filter of nextest's.
    pub(super) tests: &'static str,
}

macro_rules! defects {
    ($($name:literal in $file:literal: $right:literal becomes $wrong:literal, seen by $tests:literal;)*) => {
        pub(super) const DEFECTS: &[Defect] = &[$(
            Defect { name: $name, file: $file, right: $right, wrong: $wrong, tests: $tests },
        )*];
    };
}

defects! {
    "log-is-not-synced" in "crates/streams/src/log/embedded.rs":
        ".synchronous(SqliteSynchronous::Full)" becomes ".synchronous(SqliteSynchronous::Off)",
        seen by "package(benches) & test(lost_power)";
    "vault-is-not-synced" in "crates/vault/src/database/open.rs":
        ".synchronous(SqliteSynchronous::Full)" becomes ".synchronous(SqliteSynchronous::Off)",
        seen by "package(benches) & test(lost_power)";
    "no-expected-sequence" in "crates/streams/src/log/nats.rs":
        "            .expected_last_sequence(number.saturating_sub(1));" becomes "            .header(\"none\", \"\");",
        seen by "package(streams)";
    "chain-is-not-checked" in "crates/events/src/block.rs":
        "check(\"the predecessor's hash\", &header.previous, &head.hash)?;" becomes "",
        seen by "package(events) | package(streams)";
    "commits-are-not-counted" in "crates/events/src/block.rs":
        "check(\"the number of commits\", &header.count, &lines)?;" becomes "let _ = lines;",
        seen by "package(events) | package(streams)";
    "commands-are-not-remembered" in "crates/decider/src/writer/decide.rs":
        "if let Some(first) = self.remembered.get(id) {" becomes "if let Some(first) = self.remembered.get(id).filter(|_| false) {",
        seen by "package(decider)";
    "checkpoint-moves-blindly" in "crates/projector/src/checkpoint.rs":
        "Ok(session.execute(SQL, args).await? == 1)" becomes "session.execute(SQL, args).await.map(|_| true)",
        seen by "package(projector)";
    "keys-are-not-destroyed" in "crates/vault/src/database.rs":
        "for (statement, args) in gone.iter().flat_map(statements) {" becomes "for (statement, args) in gone.iter().take(0).flat_map(statements) {",
        seen by "package(vault) | package(decider)";
    "blocked-users-stay-in" in "crates/api/src/auth.rs":
        "if found.is_blocked() {" becomes "if found.is_blocked() && found.is_admin {",
        seen by "package(api) & (test(accounts) | test(revoked) | test(matrix))";
    "tokens-never-end" in "crates/api/src/auth.rs":
        "if token.expires_at <= now {" becomes "if token.cap_at <= now {",
        seen by "package(api) & test(tokens)";
    "cookies-from-anywhere" in "crates/api/src/auth.rs":
        "if source != Source::Own && !typed {" becomes "if source == Source::Foreign && typed {",
        seen by "package(api)";
    "password-change-leaves-log-ins" in "crates/events/src/user/command/account.rs":
        "        UserEvent::TokensRevoked(TokensRevoked { user_id, except: None, reason }),\n    ];\n    if user.failed" becomes "        UserEvent::TokensRevoked(TokensRevoked { user_id, except: user.tokens.first().map(|token| token.id), reason }),\n    ];\n    if user.failed",
        seen by "package(events) | (package(api) & test(accounts))";
    "removed-people-come-back" in "crates/events/src/room/command/join.rs":
        "if room.removed.contains(&user_id) {" becomes "if room.removed.contains(&user_id) && room.settings.locked {",
        seen by "package(events) | (package(api) & test(rooms))";
    "last-administrator-goes" in "crates/events/src/user/command/account.rs":
        "if state.users.is_last_admin(self.user) {" becomes "if state.users.admins() == 0 {",
        seen by "package(events)";
    "feed-begins-one-early" in "crates/projector/src/projections/feed.rs":
        "WHERE room_id = $1 AND seq > $2" becomes "WHERE room_id = $1 AND seq >= $2",
        seen by "package(projector) | (package(api) & (test(live) | test(resume)))";
    "frames-count-twice" in "crates/streams/src/frames/ledger.rs":
        "if batch.end() <= self.next_seq {" becomes "if batch.end() < self.next_seq {",
        seen by "package(streams)";
    "frames-may-be-missing" in "crates/streams/src/frames/ledger.rs":
        "if batch.first_seq != self.next_seq {" becomes "if batch.first_seq < self.next_seq {",
        seen by "package(streams)";
    "webhooks-out-of-order" in "crates/reactor/src/outbox.rs":
        "MIN(n) AS n FROM webhook_delivery" becomes "MAX(n) AS n FROM webhook_delivery",
        seen by "package(reactor) | (package(api) & test(webhooks))";
    "webhooks-into-the-private-network" in "crates/reactor/src/webhooks/http.rs":
        "self.targets.private || is_public(address.ip());" becomes "self.targets.private || address.port() > 0 || is_public(address.ip());",
        seen by "package(reactor)";
    "search-finds-any-word" in "crates/projector/src/search.rs":
        "Dialect::Sqlite => ('\"', \" AND \", \" *\")," becomes "Dialect::Sqlite => ('\"', \" OR \", \" *\"),",
        seen by "package(projector)";
    "corrections-collide-unseen" in "crates/events/src/room/command/transcript.rs":
        "if self.expected.is_some_and(|seen| seen != now.revision) {" becomes "if self.expected.is_some_and(|seen| seen > now.revision) {",
        seen by "package(events) | package(api)";
    "stale-servers-answer" in "crates/api/src/auth.rs":
        "if app.follower.fresh() { Ok(()) } else { Err(ApiError::LogUnreachable) }" becomes "if app.follower.fresh() || app.config.bcrypt_cost > 0 { Ok(()) } else { Err(ApiError::LogUnreachable) }",
        seen by "package(api)";
}
