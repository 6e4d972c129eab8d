//! The callers of a simulation: each asks one thing after the other, of whichever decider the
//! schedule says, again and again until it knows the answer.

use std::sync::Arc;
use std::time::Duration;

use events::command::Created;
use events::user::command::account::DeleteUser;
use events::user::command::register::Register;
use events::{Actor, CommandId, Envelope, RoomId, UserId};
use parking_lot::Mutex;
use rand::RngExt as _;
use rand::rngs::StdRng;
use streams::{Commands, Outcome};
use tokio::sync::oneshot;

use super::WRITERS;
use crate::rig::{envelope, say};

/// What was answered to which command.
pub(crate) type Answers = Arc<Mutex<Vec<(CommandId, Outcome)>>>;

/// What the callers share.
#[derive(Clone, Default)]
pub(crate) struct Town {
    pub(crate) writers: Arc<Mutex<[Option<Commands>; WRITERS]>>,
    /// Those who wait until they are told which writer to ask.
    pub(crate) asking: Arc<Mutex<Vec<oneshot::Sender<usize>>>>,
    calm: Arc<Mutex<bool>>,
    pub(crate) people: Arc<Mutex<Vec<UserId>>>,
    pub(crate) room: Option<RoomId>,
}

impl Town {
    /// Everybody asks at once from now on.
    pub(crate) fn set_calm(&self) {
        *self.calm.lock() = true;
        for asking in self.asking.lock().drain(..) {
            let _ = asking.send(0);
        }
    }

    async fn whom_to_ask(&self) -> usize {
        if *self.calm.lock() {
            tokio::time::sleep(Duration::from_micros(200)).await;
            return 0;
        }
        let (tell, told) = oneshot::channel();
        self.asking.lock().push(tell);
        told.await.unwrap_or(0)
    }

    /// Asks until the answer is known.
    async fn insist(&self, envelope: Envelope) -> Outcome {
        loop {
            let at = self.whom_to_ask().await;
            let commands = self.writers.lock()[at].clone();
            let Some(commands) = commands else { continue };
            if let Ok(outcome) = commands.submit(envelope.clone()).await {
                return outcome;
            }
        }
    }
}

pub(crate) async fn ask_around(
    mut random: StdRng,
    town: Town,
    names: Vec<Register>,
    answers: Answers,
    commands: usize,
) {
    let mut mine: Vec<UserId> = Vec::new();
    for n in 0..commands {
        let asked = match random.random_range(0..10) {
            0..4 => {
                let name = names[random.random_range(0..names.len())].clone();
                let token = crate::rig::token();
                envelope(Actor::Anonymous, Register { token, ..name })
            }
            4 if !mine.is_empty() => {
                let user = mine.swap_remove(random.random_range(0..mine.len()));
                let erase_content = random.random();
                envelope(Actor::User(user), DeleteUser { user, erase_content })
            }
            _ => {
                let person = {
                    let people = town.people.lock();
                    people[random.random_range(0..people.len())]
                };
                let text = format!("message {n}");
                envelope(Actor::User(person), say(town.room.unwrap(), &text))
            }
        };
        let id = asked.id;
        let outcome = town.insist(asked).await;
        if let Ok(accepted) = &outcome
            && let Some(Created::User(user)) = accepted.created
        {
            mine.push(user);
        }
        answers.lock().push((id, outcome));
    }
}
