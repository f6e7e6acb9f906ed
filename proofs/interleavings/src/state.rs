//! The state of all processes, the queue and the bucket.

use crate::document::{CURRENT, Changed, Document, Prompt};

/// The workers.
pub(crate) const WORKERS: usize = 2;
/// Copies of a job of one round that lie in the queue at most. More of the same show nothing new.
const MAX_COPIES: u8 = 2;

/// How often each fault happens at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Processes that are killed.
    pub crashes: u8,
    /// Leases that expire though their worker lives: it is slow, or its clock is.
    pub expiries: u8,
    /// Messages that the queue delivers twice.
    pub duplicates: u8,
    /// Messages that the queue loses.
    pub losses: u8,
    /// Attempts that the model declines, throttles or answers with garbage.
    pub bad_answers: u8,
    /// Retries by the user, each with another prompt.
    pub retries: u8,
    /// Deletes by the user.
    pub deletes: u8,
    /// Shown pictures that the bucket loses: they expire, or somebody deletes them.
    pub expired_pictures: u8,
}

/// A promise that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Violation {
    /// A worker without the claim's token changed the document.
    StaleTokenWrote,
    /// A model was called without the call having been counted.
    UncountedCall,
    /// A final status changed, and no user asked for it.
    FinalStatusChanged,
    /// A picture of the current prompt was replaced.
    PictureReplaced,
}

/// The state of everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub(crate) document: Option<Document>,
    pub(crate) workers: [Worker; WORKERS],
    pub(crate) api: Api,
    pub(crate) keeper: Keeper,
    /// Visible messages of the first and the second round.
    pub(crate) queue: [u8; 2],
    /// The prompt of the picture in the bucket.
    pub(crate) object: Option<Prompt>,
    /// Whether the bucket has lost the picture that was shown.
    pub(crate) is_lost: bool,
    pub(crate) faults: Faults,
    pub(crate) violation: Option<Violation>,
}

/// A worker.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Worker {
    Idle,
    /// It has received a job of this round.
    Received {
        round: u32,
    },
    /// It has read the document: free, or with a claim that has expired.
    Claiming {
        round: u32,
        attempts: u32,
        takes_over: Seen,
    },
    Working(Job),
    /// The document is settled; the message is not deleted yet.
    Settled {
        round: u32,
    },
}

/// What a worker saw of another's claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Seen {
    Free,
    /// The claim that the document has now.
    Current,
    /// A claim that it has no more.
    Gone,
}

/// A job under a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Job {
    pub(crate) round: u32,
    /// As it was at the claim.
    pub(crate) prompt: Prompt,
    /// With the claim's own.
    pub(crate) attempts: u32,
    /// Whether the document's claim has this worker's token.
    pub(crate) owns: bool,
    /// Whether the lease is live.
    pub(crate) live: bool,
    pub(crate) step: Step,
}

/// The next step of a job, in the order of a job's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Step {
    Find,
    CountCall,
    /// The call is under way.
    Call {
        counted: bool,
    },
    Put,
    /// The key was taken: look whose picture is there.
    LookAgain,
    /// It is another prompt's. `same`: whether the object is still the one that was seen.
    StillOurs {
        same: bool,
    },
    Replace {
        same: bool,
    },
    /// `stored`: by this worker, so that it must erase it where the assignment was deleted.
    Succeed {
        stored: bool,
    },
    Fail,
    Release {
        burns: bool,
    },
}

/// The API's calls for the post or the retry that it answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Api {
    Idle,
    /// It has read this document and found that its picture is lost.
    FoundLost(Document),
    Send {
        round: u32,
    },
    NoteSent {
        round: u32,
    },
}

/// The keeper's calls for the document that it has taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Keeper {
    Idle,
    Took(Document),
    NoteSent { round: u32 },
    NoteErased(Document),
}

impl State {
    pub(crate) fn of(faults: Faults) -> Self {
        Self {
            document: None,
            workers: [Worker::Idle, Worker::Idle],
            api: Api::Idle,
            keeper: Keeper::Idle,
            queue: [0, 0],
            object: None,
            is_lost: false,
            faults,
            violation: None,
        }
    }

    pub(crate) fn visible(&mut self, round: u32) -> &mut u8 {
        &mut self.queue[round as usize - 1]
    }

    pub(crate) fn send(&mut self, round: u32) {
        let copies = self.visible(round);
        *copies = (*copies + 1).min(MAX_COPIES);
    }

    /// Puts the document after a write in place. A worker's right to write follows the token.
    pub(crate) fn put_document(&mut self, changed: Changed) {
        if changed.token.as_ref().map(|it| it.as_str()) != Some(CURRENT) {
            for worker in &mut self.workers {
                match worker {
                    Worker::Working(job) => job.owns = false,
                    Worker::Claiming { takes_over, .. } if *takes_over == Seen::Current => {
                        *takes_over = Seen::Gone;
                    }
                    _ => {}
                }
            }
        }
        self.document = Some(changed.document);
    }

    /// Puts a picture of `prompt` into the bucket, or removes it.
    pub(crate) fn put_object(&mut self, prompt: Option<Prompt>) {
        self.object = prompt;
        self.is_lost = false;
        for worker in &mut self.workers {
            if let Worker::Working(job) = worker
                && let Step::StillOurs { same } | Step::Replace { same } = &mut job.step
            {
                *same = false;
            }
        }
    }

    /// Workers are alike, so their order shows nothing new.
    pub(crate) fn sorted(mut self) -> Self {
        self.workers.sort();
        self
    }

    /// Whether the document is final, and so is everything that belongs to it.
    pub fn is_final(&self) -> bool {
        use atelier_domain::assignment::Status;
        let Some(document) = &self.document else {
            return true;
        };
        match document.status {
            Status::Pending => false,
            Status::Deleted => document.wake.is_none() && self.object.is_none(),
            Status::Success | Status::Failed | Status::NoImage => true,
        }
    }

    /// Calls of a model that are under way under live claims.
    pub(crate) fn calls_under_live_claims(&self) -> usize {
        let calls = |worker: &&Worker| matches!(worker, Worker::Working(job) if job.live && matches!(job.step, Step::Call { .. }));
        self.workers.iter().filter(calls).count()
    }
}
