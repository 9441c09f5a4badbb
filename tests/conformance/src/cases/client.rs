//! Our client on the daemon under test.

use xenstore::{Batch, Endpoint, Errno, Permissions, Store, StoreError};

use crate::Target;

fn with_store<F: Future<Output = Result<(), StoreError>>>(target: &Target, work: impl FnOnce(Store) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let endpoint = Endpoint::Socket(target.socket().to_owned());
    let result = runtime.expect("a runtime needs nothing special").block_on(async {
        tokio::time::timeout(std::time::Duration::from_secs(60), async {
            work(Store::connect(&endpoint).await?).await
        })
        .await
        .expect("the daemon answers in time")
    });
    result.expect("the daemon grants what the case asks for");
}

/// A batch with a fault in the middle.
pub fn a_batch_is_made_whole_or_not_at_all(target: &Target) {
    with_store(target, async |store| {
        let path = |name: &str| target.path(name);
        let mut batch = Batch::new();
        batch.write(path("a/b"), "1").permissions(path("a"), Permissions::readable_by(7)).mkdir(path("c"));
        batch.remove(path("a/never-was")).remove(path("no/such/place"));
        store.commit(&batch).await?;
        assert_eq!(
            store.read_many(&[path("a/b"), path("c"), path("d")]).await?,
            [Some("1".to_owned()), Some(String::new()), None]
        );
        assert_eq!(store.permissions(&path("a")).await?, Some(Permissions::readable_by(7)));
        let mut bad = Batch::new();
        bad.write(path("x"), "1").permissions(path("absent"), Permissions::owned_by(0)).write(path("y"), "1");
        assert_eq!(store.commit(&bad).await.err().and_then(|error| error.errno()), Some(Errno::NotFound));
        assert_eq!(store.read_many(&[path("x"), path("y")]).await?, [None, None]);
        Ok(())
    });
}

/// Ten counters that are one.
pub fn concurrent_transactions_lose_no_update(target: &Target) {
    with_store(target, async |store| {
        let path = target.path("counter");
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let (store, path) = (store.clone(), path.clone());
            tasks.spawn(async move {
                for _ in 0..5 {
                    let add = |tx: xenstore::Transaction| {
                        let path = &path;
                        async move {
                            let old: u32 = tx.read(path).await?.map_or(0, |text| text.parse().unwrap_or(0));
                            tx.write(path, (old + 1).to_string()).await
                        }
                    };
                    store.transaction(&path, add).await?;
                }
                Ok::<_, StoreError>(())
            });
        }
        for result in tasks.join_all().await {
            result?;
        }
        assert_eq!(store.read(&path).await?.as_deref(), Some("50"));
        Ok(())
    });
}

/// More than one answer holds.
pub fn a_directory_of_thousands_is_listed_whole(target: &Target) {
    with_store(target, async |store| {
        let mut batch = Batch::new();
        let mut expected: Vec<_> = (0..900).map(|number| format!("some-name-{number}")).collect();
        for name in &expected {
            batch.mkdir(target.path(name));
        }
        store.commit(&batch).await?;
        let mut names = store.list(target.base()).await?.expect("it was just made");
        names.sort();
        expected.sort();
        assert_eq!(names, expected);
        assert_eq!(store.list(&target.path("absent")).await?, None);
        let lists = store.list_many(&[target.base().to_owned(), target.path("some-name-1")]).await?;
        assert_eq!(
            lists.iter().map(|list| list.as_ref().map(Vec::len)).collect::<Vec<_>>(),
            [Some(900), Some(0)]
        );
        Ok(())
    });
}

/// News come while requests are under way.
pub fn watches_and_requests_share_a_connection(target: &Target) {
    with_store(target, async |store| {
        let mut watch = store.watch(target.base()).await?;
        assert_eq!(watch.next().await?, target.base());
        for number in 0..50 {
            store.write(&target.path(&number.to_string()), "x").await?;
        }
        for number in 0..50 {
            assert_eq!(watch.next().await?, target.path(&number.to_string()));
        }
        drop(watch);
        store.write(&target.path("later"), "x").await
    });
}

/// The daemon's and our queues hold.
pub fn hundreds_of_requests_are_under_way_at_once(target: &Target) {
    with_store(target, async |store| {
        let value = "v".repeat(1000);
        store.write(&target.path("a"), &value).await?;
        let paths = vec![target.path("a"); 700];
        let values = store.read_many(&paths).await?;
        assert!(values.len() == 700 && values.iter().all(|seen| seen.as_ref() == Some(&value)));
        Ok(())
    });
}
