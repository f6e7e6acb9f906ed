//! Links for students, and their results.

use std::sync::Arc;

use atelier_domain::share::{MAX_LINKS, MAX_RESULTS, NewShare, Share, StudentResult};
use atelier_store::Store;
use atelier_store::shares::{Keep, Shared, Which};

use super::{NOW, at};

crate::for_each!(
    a_link_is_made_once_while_it_lives,
    a_link_of_many_wishes_at_once_is_one,
    a_revoked_link_opens_nothing_and_takes_nothing,
    a_link_that_expired_makes_room_for_another,
    links_are_listed_newest_first_with_their_results,
    an_assignment_has_so_many_links,
    results_come_back_as_they_were_kept,
    a_link_takes_so_many_results_and_each_once,
    results_are_erased_as_chosen,
    erasing_an_assignments_links_leaves_nothing_of_it_and_all_of_others,
);

fn wish(id: &str, token: &str) -> NewShare {
    NewShare {
        assignment_id: id.to_owned(),
        token: format!("{token:->32}"),
        created_at: NOW,
        expires_at: None,
    }
}

async fn made(store: &dyn Store, wanted: &NewShare) -> Share {
    match store.shares().share(wanted).await.unwrap() {
        Shared::New(share) => share,
        other => panic!("{other:?}"),
    }
}

fn result(id: &str, name: &str) -> StudentResult {
    StudentResult {
        id: id.to_owned(),
        name: name.to_owned(),
        answers: vec!["a fox".to_owned(), "Füchsin $1.0 | {\"$gt\": 1}".to_owned()],
        right: vec![Some(true), None, Some(false)],
        at: at(1_234.567_891),
    }
}

async fn keep(store: &dyn Store, share: &Share, id: &str, name: &str) -> Keep {
    let kept = store.shares().keep(share, &result(id, name)).await;
    kept.unwrap()
}

async fn a_link_is_made_once_while_it_lives(store: Arc<dyn Store>) {
    let share = made(&*store, &wish("a", "one")).await;
    assert_eq!((share.link, share.created_at), (1, NOW));
    let again = store.shares().share(&wish("a", "two")).await.unwrap();
    assert_eq!(again, Shared::Live(share.clone()));
    let token = share.token.clone().unwrap();
    let found = store.shares().by_token(&token).await.unwrap();
    assert_eq!(found, Some(share));
    let other = wish("a", "two").token;
    assert_eq!(store.shares().by_token(&other).await.unwrap(), None);
    assert_eq!(made(&*store, &wish("b", "three")).await.link, 1);
}

async fn a_link_of_many_wishes_at_once_is_one(store: Arc<dyn Store>) {
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let wanted = wish("a", &n.to_string());
                match store.shares().share(&wanted).await.unwrap() {
                    Shared::New(share) | Shared::Live(share) => share,
                    Shared::TooMany => panic!("too many"),
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    assert!(all.iter().all(|share| *share == all[0]), "{all:#?}");
    assert_eq!(store.shares().links("a").await.unwrap().len(), 1);
}

async fn a_revoked_link_opens_nothing_and_takes_nothing(store: Arc<dyn Store>) {
    let share = made(&*store, &wish("a", "one")).await;
    keep(&*store, &share, "r1", "Ada").await;
    store.shares().revoke("a", at(1_010.0)).await.unwrap();
    let token = share.token.clone().unwrap();
    assert_eq!(store.shares().by_token(&token).await.unwrap(), None);
    assert_eq!(keep(&*store, &share, "r2", "Ada").await, Keep::Gone);
    let links = store.shares().links("a").await.unwrap();
    let revoked = Share {
        token: None,
        revoked_at: Some(at(1_010.0)),
        ..share
    };
    assert_eq!(links, [(revoked, 1)]);
    let next = made(&*store, &wish("a", "two")).await;
    assert_eq!(next.link, 2);
    // Without results nothing of it is worth keeping.
    store.shares().revoke("a", at(1_020.0)).await.unwrap();
    assert_eq!(store.shares().links("a").await.unwrap().len(), 1);
    store.shares().revoke("unknown", NOW).await.unwrap();
    // Its number is given again; an answer at the old link is none at the new one.
    assert_eq!(made(&*store, &wish("a", "three")).await.link, 2);
    assert_eq!(keep(&*store, &next, "r3", "Ada").await, Keep::Gone);
}

async fn a_link_that_expired_makes_room_for_another(store: Arc<dyn Store>) {
    let expiring = NewShare {
        expires_at: Some(at(1_100.0)),
        ..wish("a", "one")
    };
    let share = made(&*store, &expiring).await;
    assert_eq!(share.expires_at, Some(at(1_100.0)));
    let later = NewShare {
        created_at: at(1_100.0),
        ..wish("a", "two")
    };
    assert_eq!(made(&*store, &later).await.link, 2);
    store.shares().revoke("a", at(1_110.0)).await.unwrap();
    assert_eq!(store.shares().links("a").await.unwrap(), []);
}

async fn links_are_listed_newest_first_with_their_results(store: Arc<dyn Store>) {
    for (token, results) in [("one", 2), ("two", 1), ("three", 0)] {
        store.shares().revoke("a", NOW).await.unwrap();
        let share = made(&*store, &wish("a", token)).await;
        for n in 0..results {
            keep(&*store, &share, &format!("{token}-{n}"), "Ada").await;
        }
    }
    made(&*store, &wish("b", "four")).await;
    let links = store.shares().links("a").await.unwrap();
    let told: Vec<_> = links.iter().map(|(it, count)| (it.link, *count)).collect();
    assert_eq!(told, [(3, 0), (2, 1), (1, 2)]);
    assert_eq!(store.shares().links("unknown").await.unwrap(), []);
}

async fn an_assignment_has_so_many_links(store: Arc<dyn Store>) {
    for n in 0..MAX_LINKS {
        let share = made(&*store, &wish("a", &n.to_string())).await;
        keep(&*store, &share, &format!("r{n}"), "Ada").await;
        store.shares().revoke("a", NOW).await.unwrap();
    }
    let one_more = wish("a", "more");
    let refused = store.shares().share(&one_more).await.unwrap();
    assert_eq!(refused, Shared::TooMany);
    let of_one = Which {
        link: Some(3),
        ..Which::default()
    };
    store.shares().erase_results("a", &of_one).await.unwrap();
    assert_eq!(made(&*store, &one_more).await.link, MAX_LINKS as u32 + 1);
}

async fn results_come_back_as_they_were_kept(store: Arc<dyn Store>) {
    let share = made(&*store, &wish("a", "one")).await;
    for id in ["r2", "r1", "r3"] {
        assert_eq!(keep(&*store, &share, id, "Ada").await, Keep::Kept);
    }
    let results = store.shares().results("a", 1).await.unwrap();
    assert_eq!(results, ["r1", "r2", "r3"].map(|id| result(id, "Ada")));
    assert_eq!(store.shares().results("a", 2).await.unwrap(), []);
    assert_eq!(store.shares().results("b", 1).await.unwrap(), []);
}

async fn a_link_takes_so_many_results_and_each_once(store: Arc<dyn Store>) {
    let share = made(&*store, &wish("a", "one")).await;
    let tasks: Vec<_> = (0..MAX_RESULTS + 8)
        .map(|n| {
            let (store, share) = (Arc::clone(&store), share.clone());
            tokio::spawn(async move { keep(&*store, &share, &format!("r{n:04}"), "Ada").await })
        })
        .collect();
    let mut full = 0;
    for task in tasks {
        full += usize::from(task.await.unwrap() == Keep::Full);
    }
    assert_eq!(full, 8);
    let results = store.shares().results("a", 1).await.unwrap();
    assert_eq!(results.len(), MAX_RESULTS);
    let first = Which {
        id: Some(results[0].id.clone()),
        ..Which::default()
    };
    assert_eq!(store.shares().erase_results("a", &first).await.unwrap(), 1);
    for _ in 0..2 {
        assert_eq!(keep(&*store, &share, "again", "Ada").await, Keep::Kept);
    }
    assert_eq!(keep(&*store, &share, "beyond", "Ada").await, Keep::Full);
}

async fn results_are_erased_as_chosen(store: Arc<dyn Store>) {
    let first = made(&*store, &wish("a", "one")).await;
    for (id, name) in [("r1", "Ada"), ("r2", "Ben"), ("r3", "Ada"), ("r4", "ada")] {
        keep(&*store, &first, id, name).await;
    }
    store.shares().revoke("a", NOW).await.unwrap();
    let second = made(&*store, &wish("a", "two")).await;
    keep(&*store, &second, "r5", "Ada").await;
    let erase = async |link: Option<u32>, name: Option<&str>, id: Option<&str>| {
        let which = Which {
            link,
            name: name.map(str::to_owned),
            id: id.map(str::to_owned),
        };
        let erased = store.shares().erase_results("a", &which).await;
        erased.unwrap()
    };
    assert_eq!(erase(Some(2), None, Some("r1")).await, 0);
    assert_eq!(erase(None, None, Some("r1")).await, 1);
    assert_eq!(erase(Some(1), Some("Ada"), None).await, 1);
    let left = store.shares().results("a", 1).await.unwrap();
    assert_eq!(left, [result("r2", "Ben"), result("r4", "ada")]);
    assert_eq!(erase(Some(1), None, None).await, 2);
    let links = store.shares().links("a").await.unwrap();
    assert_eq!(
        links,
        [(second, 1)],
        "a revoked one without results is gone"
    );
    assert_eq!(erase(None, None, None).await, 1);
    assert_eq!(store.shares().links("a").await.unwrap().len(), 1);
    assert_eq!(erase(None, None, None).await, 0);
}

async fn erasing_an_assignments_links_leaves_nothing_of_it_and_all_of_others(
    store: Arc<dyn Store>,
) {
    for id in ["a", "b"] {
        let share = made(&*store, &wish(id, id)).await;
        keep(&*store, &share, "r1", "Ada").await;
    }
    for _ in 0..2 {
        store.shares().erase("a").await.unwrap();
        assert_eq!(store.shares().links("a").await.unwrap(), []);
        assert_eq!(store.shares().results("a", 1).await.unwrap(), []);
    }
    let token = wish("a", "a").token;
    assert_eq!(store.shares().by_token(&token).await.unwrap(), None);
    assert_eq!(store.shares().results("b", 1).await.unwrap().len(), 1);
}
