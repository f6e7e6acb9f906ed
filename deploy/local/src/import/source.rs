//! Which documents are imported: those of the store whose picture another program named, or those of
//! a list.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use atelier_domain::assignment::Assignment;
use atelier_runtime::config::ConfigFaults;
use atelier_store::Store;
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};

use super::outcome::{End, Obstacle};
use crate::patience::with_patience;

/// Documents in one query.
const PAGE: u32 = 100;

/// Faulty lines of a list that are told.
const FAULTS_TOLD: usize = 20;

/// A document that may be imported.
#[derive(Debug)]
pub(crate) enum Candidate {
    /// As it was read.
    Stored(Box<Assignment>),
    /// As a list names it.
    Listed(Line),
}

impl Candidate {
    /// The assignment's id.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Stored(assignment) => &assignment.assignment_id,
            Self::Listed(line) => &line.id,
        }
    }
}

/// A line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The assignment.
    pub(crate) id: String,
    /// The name of its old picture.
    pub(crate) name: String,
}

/// A list that was checked.
#[derive(Clone, Debug)]
pub(crate) struct List {
    path: PathBuf,
    /// How many documents it names.
    pub(crate) documents: u64,
}

impl List {
    /// Reads all lines once, so that every faulty one is told before anything happens.
    ///
    /// # Errors
    /// The file cannot be read, or has faulty lines.
    pub(crate) async fn check(path: &Path) -> Result<Self, ConfigFaults> {
        let unreadable = |error| ConfigFaults(vec![format!("--list {}: {error}", path.display())]);
        let mut lines = lines(path).await.map_err(unreadable)?;
        let (mut number, mut documents) = (0_u64, 0);
        let mut faults = Vec::new();
        while let Some(text) = lines.next_line().await.map_err(unreadable)? {
            number += 1;
            match parse(&text) {
                Ok(None) => {}
                Ok(Some(_)) => documents += 1,
                Err(fault) if faults.len() < FAULTS_TOLD => {
                    faults.push(format!("--list {} line {number}: {fault}", path.display()));
                }
                Err(_) => {}
            }
        }
        match faults.is_empty() {
            true => Ok(Self {
                path: path.to_owned(),
                documents,
            }),
            false => Err(ConfigFaults(faults)),
        }
    }

    /// What it names, in its order.
    pub(crate) fn candidates(self) -> impl Stream<Item = Result<Candidate, Obstacle>> + Send {
        let start = stream::once(async move { lines(&self.path).await.map_err(of_list) });
        start.flat_map(|lines| match lines {
            Ok(lines) => stream::unfold(Some(lines), next_line).left_stream(),
            Err(error) => stream::iter([Err(error)]).right_stream(),
        })
    }
}

fn of_list(error: std::io::Error) -> Obstacle {
    Obstacle::End(End::List(error.to_string()))
}

async fn lines(path: &Path) -> std::io::Result<Lines<BufReader<File>>> {
    Ok(BufReader::new(File::open(path).await?).lines())
}

type Reader = Lines<BufReader<File>>;

async fn next_line(
    reader: Option<Reader>,
) -> Option<(Result<Candidate, Obstacle>, Option<Reader>)> {
    let mut reader = reader?;
    loop {
        match reader.next_line().await {
            Ok(None) => return None,
            // Faulty lines were told before anything happened.
            Ok(Some(text)) => {
                if let Ok(Some(line)) = parse(&text) {
                    return Some((Ok(Candidate::Listed(line)), Some(reader)));
                }
            }
            Err(error) => return Some((Err(of_list(error)), None)),
        }
    }
}

/// Reads `assignment_id,name`. All behind the first comma is the name. Empty lines and those that
/// begin with `#` name nothing.
fn parse(text: &str) -> Result<Option<Line>, String> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let parts = text
        .split_once(',')
        .map(|(id, name)| (id.trim(), name.trim()));
    match parts {
        Some((id, name)) if !id.is_empty() && !name.is_empty() => Ok(Some(Line {
            id: id.to_owned(),
            name: name.to_owned(),
        })),
        _ => Err(format!("must be `assignment_id,name`, not `{text}`")),
    }
}

/// The documents of the store whose picture another program named, by id.
pub(crate) fn of_store(
    store: Arc<dyn Store>,
) -> impl Stream<Item = Result<Candidate, Obstacle>> + Send {
    let pages = stream::try_unfold(None::<String>, move |after| {
        let store = Arc::clone(&store);
        async move {
            let page = with_patience(|| store.of_others(after.as_deref(), PAGE)).await?;
            let last = page.last().map(|last| last.assignment_id.clone());
            Ok(last.map(|last| (page, Some(last))))
        }
    });
    pages.flat_map(|page| match page {
        Ok(page) => {
            let candidates = page.into_iter().map(|it| Ok(Candidate::Stored(it.into())));
            stream::iter(candidates).left_stream()
        }
        Err(error) => stream::iter([Err(error)]).right_stream(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_id_a_comma_and_a_name() {
        let line = |id: &str, name: &str| {
            let (id, name) = (id.to_owned(), name.to_owned());
            Ok(Some(Line { id, name }))
        };
        assert_eq!(parse("a-1,old/fox.png"), line("a-1", "old/fox.png"));
        assert_eq!(
            parse(" a-1 , a fox, red.png\r"),
            line("a-1", "a fox, red.png")
        );
        assert_eq!(parse(""), Ok(None));
        assert_eq!(parse("# id,name"), Ok(None));
        for faulty in ["a-1", ",fox.png", "a-1,", ","] {
            assert!(parse(faulty).is_err(), "{faulty}");
        }
    }
}
