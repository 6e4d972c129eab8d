//! The chain: whatever is put in comes out, and whatever is changed is noticed.

use events::user::{TokenRevoked, UserEvent};
use events::{
    Actor, Block, CommandId, Commit, Event, EventId, Head, LogId, Subject, Timestamp, TokenId,
    UserId,
};
use proptest::prelude::*;
use uuid::Uuid;

fn commit() -> impl Strategy<Value = Commit> {
    let event = (any::<u32>(), any::<u32>()).prop_map(|(user, token)| {
        let (user_id, token_id) = (UserId::new(user.into()), TokenId::new(token.into()));
        Event::User(UserEvent::TokenRevoked(TokenRevoked { user_id, token_id }))
    });
    let actor = prop_oneof![
        Just(Actor::Anonymous),
        any::<u32>().prop_map(|id| Actor::User(UserId::new(id.into()))),
        Just(Actor::System(events::SystemRole::Reactor)),
    ];
    let whole = (any::<u128>(), 0..4_000_000_000_000_000i64, actor, prop::option::of(".{0,40}"));
    (whole, prop::option::of(any::<u64>()), prop::collection::vec(event, 1..4)).prop_map(
        |((id, micros, actor, correlation), body, events)| {
            let command = CommandId::from_uuid(Uuid::from_u128(id));
            Commit {
                command,
                time: Timestamp::from_micros(micros),
                actor,
                subject: Subject::User(UserId::new(1)),
                correlation,
                causation: body.map(|_| EventId::of(command, 0)),
                body,
                events,
            }
        },
    )
}

fn built(commits: &[Commit]) -> (Head, Block) {
    let head = Head::empty(LogId::from_uuid(Uuid::nil()));
    let lines: Vec<String> = commits.iter().map(|commit| commit.encode().unwrap()).collect();
    (head, Block::build(&head, &lines))
}

proptest! {
    #[test]
    fn what_goes_into_a_block_comes_out(commits in prop::collection::vec(commit(), 1..20)) {
        let (head, block) = built(&commits);
        let read = Block::parse(&head, block.bytes.clone()).unwrap();
        prop_assert_eq!(&read, &block);
        let out = read.commits().unwrap();
        prop_assert_eq!(out.len(), commits.len());
        for (index, ((position, out), put)) in out.iter().zip(&commits).enumerate() {
            prop_assert_eq!(position.get(), index as u64 + 1);
            prop_assert_eq!(out, put);
        }
        prop_assert_eq!(read.head().position.get(), commits.len() as u64);
    }

    #[test]
    fn a_block_taken_out_of_the_chain_reads_by_its_own_header(commits in prop::collection::vec(commit(), 1..5)) {
        let (_, first) = built(&commits);
        let lines: Vec<String> = commits.iter().map(|commit| commit.encode().unwrap()).collect();
        let second = Block::build(&first.head(), &lines);
        for block in [first, second] {
            prop_assert_eq!(&Block::alone(block.bytes.clone()).unwrap(), &block);
        }
    }

    #[test]
    fn a_changed_byte_is_noticed_by_the_next_block_at_the_latest(
        commits in prop::collection::vec(commit(), 1..5),
        place in any::<prop::sample::Index>(),
        flip in 1..=255u8,
    ) {
        let (head, block) = built(&commits);
        let next = Block::build(&block.head(), &[commits[0].encode().unwrap()]);
        let mut bytes = block.bytes.clone();
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        let noticed = match Block::parse(&head, bytes) {
            Err(_) => true,
            Ok(changed) => Block::parse(&changed.head(), next.bytes).is_err(),
        };
        prop_assert!(noticed);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let head = Head::empty(LogId::from_uuid(Uuid::nil()));
        if let Ok(block) = Block::parse(&head, bytes) {
            let _ = block.commits();
        }
    }
}

#[test]
fn a_block_of_another_log_or_place_is_refused() {
    let one = Commit {
        command: CommandId::from_uuid(Uuid::nil()),
        time: Timestamp::default(),
        actor: Actor::Anonymous,
        subject: Subject::Users,
        correlation: None,
        causation: None,
        body: None,
        events: Vec::new(),
    };
    let (head, block) = built(std::slice::from_ref(&one));
    let other = Head::empty(LogId::from_uuid(Uuid::max()));
    let refused = Block::parse(&other, block.bytes.clone()).unwrap_err();
    assert!(refused.to_string().contains("the log id"), "{refused}");
    let refused = Block::parse(&block.head(), block.bytes.clone()).unwrap_err();
    assert!(refused.to_string().contains("the block number"), "{refused}");
    let text = String::from_utf8(block.bytes).unwrap();
    for (right, wrong, what) in [
        ("\"format\":1", "\"format\":2", "newer"),
        ("\"count\":1", "\"count\":2", "the number of commits"),
        ("\"first\":1", "\"first\":2", "the first position"),
    ] {
        let changed = text.replace(right, wrong);
        assert_ne!(changed, text);
        let refused = Block::parse(&head, changed.into_bytes()).unwrap_err();
        assert!(refused.to_string().contains(what), "{refused}");
    }
}

#[test]
fn sizes_have_the_bounds_that_are_documented() {
    assert_eq!(events::block::BLOCK_BYTES_MAX, 262_144);
    assert_eq!(events::block::COMMIT_BYTES_MAX, 131_072);
}
