//! Two deciders on NATS, with callers of their own and callers elsewhere: they hand over to each
//! other, and whoever decides, it happens once.

use std::collections::HashSet;

use decider::Writer;
use events::{Actor, CommandId};
use futures::future::join_all;
use streams::commands::{over_nats, serve_nats};
use streams::nats::{Nats, NatsConfig, connect};
use streams::testing::NatsServer;
use streams::{Accepted, Commands};

use crate::rig::{Rig, created_room, envelope, registered, say};

/// Messages of each caller.
const MESSAGES: usize = 150;
/// Callers at each of four places.
const CALLERS: usize = 4;

async fn connected(server: &NatsServer) -> Nats {
    connect(&NatsConfig::new(server.url())).await.unwrap()
}

async fn decider(server: &NatsServer, rig: &Rig) -> Commands {
    let nats = connected(server).await;
    let log = streams::log::nats::open(&nats).await.unwrap();
    let (commands, queue) = serve_nats(&nats).await.unwrap();
    let writer = Writer::open(log, rig.vault.clone(), rig.clock()).await.unwrap();
    tokio::spawn(writer.run(queue, std::future::pending()));
    commands
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_deciders_on_nats_decide_every_command_once() {
    let test = "decider hand_over::two_deciders_on_nats_decide_every_command_once";
    let Some(server) = NatsServer::for_test(test).await.unwrap() else { return };
    let log = streams::log::nats::open(&connected(&server).await).await.unwrap();
    let rig = Rig::on(tempfile::tempdir().unwrap(), log).await;
    let deciders = [decider(&server, &rig).await, decider(&server, &rig).await];
    let ada = registered(&rig, &deciders[0], "Ada").await;
    let room = created_room(&deciders[1], ada).await;
    let elsewhere = [over_nats(&connected(&server).await), over_nats(&connected(&server).await)];
    let mut talking = Vec::new();
    for commands in deciders.iter().chain(&elsewhere) {
        for _ in 0..CALLERS {
            let commands = commands.clone();
            talking.push(tokio::spawn(async move {
                let mut answers: Vec<(CommandId, Accepted)> = Vec::new();
                for n in 0..MESSAGES {
                    let said = envelope(Actor::User(ada), say(room, &n.to_string()));
                    let id = said.id;
                    answers.push((id, commands.submit(said).await.unwrap().unwrap()));
                }
                answers
            }));
        }
    }
    let answers: Vec<_> = join_all(talking).await.into_iter().flat_map(Result::unwrap).collect();
    let logged = rig.logged().await;
    assert_eq!(logged.len(), 2 + 4 * CALLERS * MESSAGES);
    assert_eq!(logged.iter().collect::<HashSet<_>>().len(), logged.len());
    for (id, accepted) in answers {
        let index = usize::try_from(accepted.position.get()).unwrap() - 1;
        assert_eq!(logged[index], id);
    }
}
