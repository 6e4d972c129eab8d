//! What holds after any sequence of commands, by anybody.

use std::collections::HashSet;

use events::command::Stamp;
use events::room::{Admission, RoomEvent};
use events::state::Touched;
use events::stored::StoredEvent;
use events::{Event, Personal, State, Timestamp};
use proptest::prelude::*;

use crate::town::{Choice, Newest, command};

fn choices() -> impl Strategy<Value = Vec<Choice>> {
    prop::collection::vec(any::<Choice>(), 1..200)
}

/// Decides one choice after the other and hands every accepted commit's events over.
fn live(choices: &[Choice], mut each: impl FnMut(&mut State, &[Event], Timestamp)) -> State {
    let (mut state, mut last_id, mut newest) = (State::default(), 0, Newest::default());
    let mut now = Timestamp::from_micros(1_767_225_600_000_000);
    for choice in choices {
        now = now.plus_seconds(i64::from(choice.3) % 90);
        let (actor, command) = command(&state, *choice, newest, last_id, now);
        let mut stamp = Stamp::new(now, last_id);
        let unused = stamp.last_id();
        let Ok(decision) = command.decide(&state, actor, &mut stamp) else { continue };
        let first_id = last_id;
        last_id = stamp.last_id().max(last_id);
        if stamp.last_id() > unused {
            let greatest = decision.events.iter().filter_map(Event::greatest_id).max();
            assert_eq!(greatest, Some(last_id), "{:?}", decision.events);
        }
        for event in &decision.events {
            assert!(event.greatest_id().is_none_or(|id| id <= last_id && id < 1 << 53));
        }
        if !decision.events.is_empty() {
            let made = decision.events.iter().find_map(Event::created);
            assert_eq!(made, decision.created, "{:?}", decision.events);
            let mut stamped = decision.events.iter().filter(|event| !revises(event));
            let rises = stamped.all(|event| event.greatest_id().is_none_or(|id| id > first_id));
            assert!(rises, "ids rise in log order");
        }
        note(&mut newest, &decision.events);
        each(&mut state, &decision.events, now);
    }
    state
}

fn note(newest: &mut Newest, events: &[Event]) {
    match events {
        [Event::Room(RoomEvent::MessageSent(e))] => {
            let (room, author, message) = (e.room_id, e.user_id, e.message_id);
            *newest = Newest { room, author, message, ..*newest };
        }
        [Event::Room(RoomEvent::TranscriptRecorded(e))] => {
            let (room, author, transcript) = (e.room_id, e.user_id, e.transcript_id);
            *newest = Newest { room, author, transcript, ..*newest };
        }
        _ => {}
    }
}

/// Touches a row that was there.
fn revises(event: &Event) -> bool {
    matches!(event, Event::Room(RoomEvent::MessageEdited(_) | RoomEvent::TranscriptRevised(_)))
}

fn evolve(state: &mut State, events: &[Event], at: Timestamp) {
    for event in events {
        state.evolve(event, at);
    }
}

fn check(state: &State) {
    let users: HashSet<_> = state.users.iter().map(|(id, _)| id).collect();
    let admins = state.users.iter().filter(|(_, user)| user.is_admin).count();
    assert_eq!(state.users.admins(), admins, "administrators are counted right");
    for (id, user) in state.users.iter() {
        assert!(!(user.is_admin && user.guest_of.is_some()), "no guest is an administrator");
        for token in &user.tokens {
            assert_eq!(state.users.by_token(token.digest).map(|(user, _)| user), Some(id));
            assert!(token.expires_at <= token.cap_at);
        }
        if let Some(reset) = user.reset {
            assert_eq!(state.users.by_reset(reset.digest), Some(id));
        }
        for (room, _) in state.rooms.of_member(id) {
            let room = state.rooms.get(room).unwrap();
            assert!(room.owner == id || room.participants.contains_key(&id));
        }
    }
    for (id, room) in state.rooms.iter() {
        assert!(users.contains(&room.owner), "rooms go with their owners");
        assert_eq!(state.rooms.by_code(room.code).map(|(id, _)| id), Some(id));
        // Those whom somebody sent back to the lobby find a place there, however many there are.
        let there =
            |admission| room.participants.iter().filter(move |(_, p)| p.admission == admission);
        assert!(there(Admission::Admitted).count() <= 5, "nobody comes into a full room");
        let waiting = there(Admission::Waiting).filter(|(user, _)| !room.sent_back.contains(user));
        assert!(waiting.count() <= 5, "nobody waits in a full lobby");
        for user in room.participants.keys() {
            assert!(users.contains(user), "participants are users");
            assert!(state.rooms.of_member(*user).any(|(of, _)| of == id));
            assert!(!room.removed.contains(user), "the removed are out");
            let back = room.sent_back.contains(user);
            assert!(!back || !room.admits(*user) || room.owner == *user, "the sent back wait");
        }
    }
}

/// Names are unique: no two users ever hold one digest.
fn unique_names(held: &mut HashSet<(bool, events::NameDigest)>, state: &State) {
    held.clear();
    for n in 0..8u8 {
        let name = events::NameDigest::from_bytes([n; 16]);
        let address = events::NameDigest::from_bytes([100 + n; 16]);
        for (sort, digest, holder) in [
            (true, name, state.users.by_username(name)),
            (false, address, state.users.by_email(address)),
        ] {
            if let Some(holder) = holder {
                assert!(state.users.get(holder).is_some(), "names are free after deletion");
                assert!(held.insert((sort, digest)));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_after_every_event(choices in choices()) {
        let mut held = HashSet::new();
        live(&choices, |state, events, at| {
            for event in events {
                state.evolve(event, at);
                check(state);
            }
            unique_names(&mut held, state);
            for (_, user) in state.users.iter() {
                assert!(!user.is_blocked() || user.tokens.is_empty(), "the blocked have no token");
            }
        });
    }

    #[test]
    fn events_can_be_taken_back(choices in choices(), mark in any::<prop::sample::Index>()) {
        let mark = mark.index(choices.len());
        let mut count = 0;
        let (mut durable, mut touched) = (State::default(), Touched::default());
        let mut working = live(&choices, |state, events, at| {
            if count < mark {
                evolve(&mut durable, events, at);
            }
            for event in events {
                if count >= mark {
                    touched.note(&durable, event);
                }
                state.evolve(event, at);
            }
            count += 1;
        });
        working.restore(&durable, &touched);
        prop_assert_eq!(working, durable);
    }

    #[test]
    fn a_replay_from_the_log_comes_to_the_same(choices in choices()) {
        let mut replayed = State::default();
        let live = live(&choices, |state, events, at| {
            let mut stored = events.to_vec();
            for event in &mut stored {
                for field in event.personal(at) {
                    *field.field = Personal::Sealed(vec![1, 2, 3]);
                }
            }
            evolve(state, &stored, at);
            for event in stored {
                let text = serde_json::to_string(&StoredEvent::from(event)).unwrap();
                let read: StoredEvent = serde_json::from_str(&text).unwrap();
                replayed.evolve(&read.into(), at);
            }
        });
        prop_assert_eq!(live, replayed);
    }

    #[test]
    fn events_about_nothing_known_change_nothing(choices in choices(), from in 0..100usize) {
        let mut all = Vec::new();
        live(&choices, |state, events, at| {
            evolve(state, events, at);
            all.extend(events.iter().cloned().map(|event| (event, at)));
        });
        // The beginning is missing: nothing panics, and nothing is made up but what is whole.
        let mut state = State::default();
        for (event, at) in all.iter().skip(from) {
            state.evolve(event, *at);
        }
        let known = all.iter().skip(from).filter(|(event, _)| matches!(event.created(), Some(events::command::Created::User(_))));
        prop_assert!(state.users.iter().count() <= known.count());
    }
}

/// The other tests would show nothing if the town were dull.
#[test]
fn most_things_that_can_happen_do_happen_in_this_town() {
    let mut random = 7u64;
    let mut happened = HashSet::new();
    for _ in 0..100 {
        let choices: Vec<Choice> = (0..300)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let [a, b, c, d, ..] = random.to_be_bytes();
                (a, b, c, d)
            })
            .collect();
        live(&choices, |state, events, at| {
            evolve(state, events, at);
            happened.extend(events.iter().cloned().map(|event| StoredEvent::from(event).tag()));
        });
    }
    let never: Vec<_> = StoredEvent::TAGS.iter().filter(|tag| !happened.contains(*tag)).collect();
    // Only the reactor lets texts expire, and nothing is written in old shapes.
    let expected = [
        "room.texts_expired.v1",
        "room.created.v1",
        "room.settings_changed.v1",
        "room.message_deleted.v1",
        "webhook.created.v1",
    ];
    assert_eq!(never.into_iter().copied().collect::<Vec<_>>(), expected);
}
