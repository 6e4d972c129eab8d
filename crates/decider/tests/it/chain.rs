//! A model of the protocol alone, checked in all its states: two writers and one log, writers that
//! crash, answers that are lost, blocks that arrive late or twice, callers who ask again at the
//! other writer. Small, but whole: two commands, which want the same name or two names, and one
//! fault. `SIGNCALL_MODEL_FAULTS=2` takes more faults and three commands, and very much longer.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use stateright::{Checker as _, Model, Property};

/// Commands at most.
const COMMANDS_MAX: usize = 3;
/// Crashes and lost answers, together.
const FAULTS: u8 = 1;

type Command = usize;

/// What is appended: it names its predecessor by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Block {
    number: usize,
    parent: u64,
    commits: Vec<Command>,
    writer: usize,
    epoch: u8,
}

impl Block {
    fn hash(&self) -> u64 {
        let mut digest = DefaultHasher::new();
        Hash::hash(self, &mut digest);
        digest.finish()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Outcome {
    /// In this block.
    Accepted(usize),
    NameTaken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Response {
    Appended,
    Conflict,
    /// The log ended at this block.
    Looked(usize),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Flight {
    /// Nothing, for a look at the log's end.
    block: Option<Block>,
    decided: Vec<(Command, Outcome)>,
    response: Option<Response>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Writer {
    down: bool,
    behind: bool,
    /// Blocks of the log that it has folded.
    known: usize,
    ahead: Vec<(Command, Outcome)>,
    flight: Option<Flight>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct State {
    log: Vec<Block>,
    writers: [Writer; 2],
    /// Sent once: they may arrive at any time from then on, and again.
    network: BTreeSet<Block>,
    answers: [Option<Outcome>; COMMANDS_MAX],
    contradicted: bool,
    faults: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Action {
    Submit(usize, Command),
    Launch(usize),
    Arrive(Block),
    Look(usize),
    Land(usize),
    LoseAnswer(usize),
    CatchUp(usize),
    Crash(usize),
    Restart(usize),
}

struct Chain {
    /// The name that each command wants to register.
    wants: &'static [u8],
    faults: u8,
}

fn fresh(outcomes: &[(Command, Outcome)], number: usize) -> Vec<Command> {
    let here = |(_, outcome): &&(Command, Outcome)| *outcome == Outcome::Accepted(number);
    outcomes.iter().filter(here).map(|(command, _)| *command).collect()
}

impl State {
    fn hash_at(&self, block: usize) -> u64 {
        block.checked_sub(1).map_or(0, |index| self.log[index].hash())
    }

    /// The block that holds a command, as far as a writer knows, with what it has decided itself.
    fn known_place(&self, writer: &Writer, holds: impl Fn(Command) -> bool) -> Option<usize> {
        let mut in_log = self.log[..writer.known].iter();
        let found = in_log.position(|block| block.commits.iter().any(|c| holds(*c)));
        let undurable = writer.flight.iter().flat_map(|flight| &flight.decided);
        let undurable =
            undurable.chain(&writer.ahead).find_map(|(command, outcome)| match outcome {
                Outcome::Accepted(number) if holds(*command) => Some(*number),
                Outcome::Accepted(_) | Outcome::NameTaken => None,
            });
        found.map(|index| index + 1).or(undurable)
    }

    fn decide(&self, wants: &[u8], writer: &Writer, command: Command) -> Outcome {
        if let Some(number) = self.known_place(writer, |known| known == command) {
            return Outcome::Accepted(number);
        }
        if self.known_place(writer, |known| wants[known] == wants[command]).is_some() {
            return Outcome::NameTaken;
        }
        let in_flight = writer.flight.as_ref().is_some_and(|flight| flight.block.is_some());
        Outcome::Accepted(writer.known + usize::from(in_flight) + 1)
    }

    fn append(&mut self, block: &Block) -> Response {
        let (end, number) = (self.log.len(), block.number);
        if number == end + 1 && block.parent == self.hash_at(end) {
            self.log.push(block.clone());
            return Response::Appended;
        }
        if number <= end && self.log[number - 1] == *block {
            return Response::Appended;
        }
        Response::Conflict
    }

    fn answer(&mut self, decided: &[(Command, Outcome)]) {
        for (command, outcome) in decided {
            let before = self.answers[*command].replace(*outcome);
            self.contradicted |= before.is_some_and(|before| before != *outcome);
        }
    }

    fn land(&mut self, at: usize) -> Option<()> {
        let flight = self.writers[at].flight.take()?;
        let known = self.writers[at].known;
        match flight.response? {
            Response::Appended => {
                self.writers[at].known += 1;
                self.answer(&flight.decided);
            }
            Response::Looked(end) if end == known => self.answer(&flight.decided),
            Response::Conflict | Response::Looked(_) => {
                self.writers[at].behind = true;
                self.writers[at].ahead.clear();
            }
        }
        Some(())
    }
}

impl Writer {
    fn forgets(&mut self) {
        self.flight = None;
        self.ahead.clear();
    }
}

impl Model for Chain {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(state.network.iter().cloned().map(Action::Arrive));
        for (at, writer) in state.writers.iter().enumerate() {
            if writer.down {
                actions.push(Action::Restart(at));
                continue;
            }
            if state.faults < self.faults {
                actions.push(Action::Crash(at));
            }
            if writer.behind {
                actions.push(Action::CatchUp(at));
                continue;
            }
            let unanswered =
                (0..self.wants.len()).filter(|command| state.answers[*command].is_none());
            actions.extend(unanswered.map(|command| Action::Submit(at, command)));
            match &writer.flight {
                None if !writer.ahead.is_empty() => actions.push(Action::Launch(at)),
                None => {}
                Some(flight) => {
                    if flight.block.is_none() && flight.response.is_none() {
                        actions.push(Action::Look(at));
                    }
                    if flight.response.is_some() {
                        actions.push(Action::Land(at));
                    }
                    if state.faults < self.faults {
                        actions.push(Action::LoseAnswer(at));
                    }
                }
            }
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Submit(at, command) => {
                let writer = &before.writers[at];
                let has =
                    |decided: &[(Command, Outcome)]| decided.iter().any(|(c, _)| *c == command);
                let in_flight = writer.flight.as_ref().is_some_and(|flight| has(&flight.decided));
                // In one order of the two: who asks first of one writer makes no difference to what
                // is checked here, for the two who want the same name are alike.
                let later = writer.ahead.last().is_some_and(|(last, _)| *last >= command);
                if in_flight || later {
                    return None;
                }
                let outcome = before.decide(self.wants, writer, command);
                state.writers[at].ahead.push((command, outcome));
            }
            Action::Launch(at) => {
                let decided = std::mem::take(&mut state.writers[at].ahead);
                let (number, epoch) = (before.writers[at].known + 1, before.faults);
                let (parent, commits) = (before.hash_at(number - 1), fresh(&decided, number));
                let block = Block { number, parent, commits, writer: at, epoch };
                let block = (!block.commits.is_empty()).then_some(block);
                state.network.extend(block.clone());
                state.writers[at].flight = Some(Flight { block, decided, response: None });
            }
            Action::Arrive(block) => {
                let response = state.append(&block);
                let flight = state.writers[block.writer].flight.as_mut();
                if let Some(flight) = flight.filter(|f| f.block.as_ref() == Some(&block)) {
                    flight.response.get_or_insert(response);
                }
            }
            Action::Look(at) => {
                let end = before.log.len();
                state.writers[at].flight.as_mut()?.response = Some(Response::Looked(end));
            }
            Action::Land(at) => state.land(at)?,
            Action::LoseAnswer(at) => {
                state.writers[at].forgets();
                state.faults += 1;
                state.writers[at].behind = true;
            }
            Action::CatchUp(at) => {
                (state.writers[at].known, state.writers[at].behind) = (before.log.len(), false);
            }
            Action::Crash(at) => {
                state.writers[at].forgets();
                state.faults += 1;
                state.writers[at].down = true;
            }
            Action::Restart(at) => {
                let known = before.log.len();
                state.writers[at] = Writer { known, ..Writer::default() };
            }
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("a name has one owner", |chain: &Self, state: &State| {
                let mut owners = state.log.iter().flat_map(|block| &block.commits);
                let mut taken = BTreeSet::new();
                owners.all(|command| taken.insert(chain.wants[*command]))
            }),
            Property::always("the chain holds", |_, state: &State| {
                let mut blocks = state.log.iter().enumerate();
                blocks.all(|(index, block)| block.parent == state.hash_at(index))
            }),
            Property::always("what was accepted is in its block", |_, state: &State| {
                let mut answers = state.answers.iter().enumerate();
                answers.all(|(command, answer)| match answer {
                    Some(Outcome::Accepted(number)) => {
                        state.log[number - 1].commits.contains(&command)
                    }
                    Some(Outcome::NameTaken) | None => true,
                })
            }),
            Property::always("what was refused is another's", |chain: &Self, state: &State| {
                let in_log = |wanted: &dyn Fn(Command) -> bool| {
                    state.log.iter().flat_map(|block| &block.commits).any(|c| wanted(*c))
                };
                let mut answers = state.answers.iter().enumerate();
                answers.all(|(command, answer)| {
                    *answer != Some(Outcome::NameTaken)
                        || in_log(&|c| chain.wants[c] == chain.wants[command])
                            && !in_log(&|c| c == command)
                })
            }),
            Property::always("no answer contradicts another", |_, state: &State| {
                !state.contradicted
            }),
            Property::sometimes("all are answered", |chain: &Self, state: &State| {
                state.answers[..chain.wants.len()].iter().all(Option::is_some)
            }),
        ];
        if self.wants.contains(&1) {
            properties.extend([
                Property::sometimes("both writers wrote", |_: &Self, state: &State| {
                    (0..2).all(|at| state.log.iter().any(|block| block.writer == at))
                }),
                Property::sometimes("a block of several commits", |_: &Self, state: &State| {
                    state.log.iter().any(|block| block.commits.len() > 1)
                }),
            ]);
        }
        properties
    }
}

fn check(wants: &'static [u8], faults: u8) {
    let checked = Chain { wants, faults }.checker().threads(2).spawn_bfs().join();
    checked.assert_properties();
    println!("{} states", checked.unique_state_count());
}

#[test]
fn in_every_state_of_the_model_names_are_unique_and_answers_true() {
    match std::env::var("SIGNCALL_MODEL_FAULTS").ok() {
        Some(given) => check(&[0, 0, 1], given.parse().unwrap()),
        None => [&[0, 0], &[0, 1]].into_iter().for_each(|wants| check(wants, FAULTS)),
    }
}
