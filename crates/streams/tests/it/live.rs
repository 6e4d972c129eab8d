//! What holds for live messages, in one process and on NATS.

use events::{Position, RoomId, UserId};
use streams::testing::NatsServer;
use streams::{Live, LiveMessage};

use crate::place::{DEADLINE, connect};

async fn hears(live: &Live, from: &Live) {
    let messages = [
        LiveMessage::Feed { room: RoomId::new(1), seq: 7, position: Position::new(9) },
        LiveMessage::Typing { room: RoomId::new(2), user: UserId::new(3) },
        LiveMessage::Partial {
            room: RoomId::new(1),
            user: UserId::new(3),
            segment: serde_json::json!({"text": "thank you", "confidence": 0.5}),
        },
    ];
    let mut heard = live.subscribe();
    for message in &messages {
        from.publish(message.clone());
    }
    for message in &messages {
        let next = tokio::time::timeout(DEADLINE, heard.recv()).await.expect("it is heard");
        assert_eq!(&*next.unwrap(), message);
    }
}

#[tokio::test]
async fn everybody_in_the_process_hears() {
    let live = streams::live::local();
    hears(&live, &live.clone()).await;
}

#[tokio::test]
async fn every_process_hears_its_own_messages_too() {
    let test = "streams live::every_process_hears_its_own_messages_too";
    let Some(server) = NatsServer::for_test(test).await.unwrap() else { return };
    let nats = [connect(&server).await, connect(&server).await];
    let one = streams::live::over_nats(&nats[0]).await.unwrap();
    let two = streams::live::over_nats(&nats[1]).await.unwrap();
    hears(&one, &one).await;
    hears(&two, &one).await;
    hears(&one, &two).await;
}
