//! The client's handle on a store.

use std::fmt;
use std::sync::Arc;

use super::directory::Listing;
use super::error::Failure;
use super::link::Link;
use super::requester::{Requester, absent_is_none, check};
use super::requests::Requests;
use super::transaction::{TRIES_MAX, pause};
use super::{Batch, Endpoint, Lost, StoreError, Transaction, Watch, transport};
use crate::Permissions;
use crate::wire::{Op, c_string};

/// A connection to a store. Cheap to clone; the last clone (also one inside a [`Watch`]) closes it.
#[derive(Clone)]
pub struct Store {
    handle: Arc<Handle>,
}

/// What all clones of a [`Store`] share.
pub(crate) struct Handle {
    pub(crate) requests: Arc<Requests>,
    pub(crate) link: Box<dyn Link>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.link.close();
        self.requests.fail(&Lost::ClosedHere);
    }
}

impl Store {
    /// Connects to a daemon. Needs a tokio runtime.
    ///
    /// # Errors
    /// Nobody listens there, or it may not be opened.
    pub async fn connect(endpoint: &Endpoint) -> Result<Self, StoreError> {
        let requests = Arc::new(Requests::default());
        let link = transport::open(endpoint, &requests)
            .await
            .map_err(|source| StoreError::Connect { endpoint: endpoint.path().to_owned(), source })?;
        Ok(Self::over(requests, link))
    }

    pub(crate) fn over(requests: Arc<Requests>, link: Box<dyn Link>) -> Self {
        Self { handle: Arc::new(Handle { requests, link }) }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// A node's value, if it is there; bytes that are no text are replaced.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn read(&self, path: &str) -> Result<Option<String>, StoreError> {
        Ok(self.read_bytes(path).await?.map(lossy))
    }

    /// A node's value, if it is there.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn read_bytes(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.plain().read(path).await
    }

    /// Values of many nodes, in their order, all asked for at once.
    ///
    /// # Errors
    /// The store refused one of them, or is gone.
    pub async fn read_many<P: AsRef<str>>(&self, paths: &[P]) -> Result<Vec<Option<String>>, StoreError> {
        let mut submitted = Vec::with_capacity(paths.len());
        for path in paths {
            check("read", path.as_ref())?;
            submitted.push(self.plain().submit(Op::Read, c_string(path.as_ref().as_bytes())));
        }
        let mut values = Vec::with_capacity(paths.len());
        for (path, submitted) in paths.iter().zip(submitted) {
            let value = absent_is_none(submitted.wait().await);
            values.push(value.map_err(|failure| failure.on("read", path.as_ref()))?.map(lossy));
        }
        Ok(values)
    }

    /// Names of a node's children, if it is there, however many they are.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn list(&self, path: &str) -> Result<Option<Vec<String>>, StoreError> {
        Listing::submit(self.plain(), path)?.wait().await
    }

    /// Names of the children of many nodes, in their order, all asked for at once.
    ///
    /// # Errors
    /// The store refused one of them, or is gone.
    pub async fn list_many<P: AsRef<str>>(
        &self,
        paths: &[P],
    ) -> Result<Vec<Option<Vec<String>>>, StoreError> {
        let listings: Vec<_> = paths
            .iter()
            .map(|path| Listing::submit(self.plain(), path.as_ref()))
            .collect::<Result<_, _>>()?;
        let mut lists = Vec::with_capacity(paths.len());
        for listing in listings {
            lists.push(listing.wait().await?);
        }
        Ok(lists)
    }

    /// Sets a node's value; creates it and what is missing above it.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn write(&self, path: &str, value: impl AsRef<[u8]>) -> Result<(), StoreError> {
        self.plain().write(path, value.as_ref()).await
    }

    /// Creates a node; fine if it is there.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn mkdir(&self, path: &str) -> Result<(), StoreError> {
        self.plain().mkdir(path).await
    }

    /// Removes a node and everything below it; fine if it is absent.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn remove(&self, path: &str) -> Result<(), StoreError> {
        self.plain().remove(path).await
    }

    /// A node's permissions, if it is there.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn permissions(&self, path: &str) -> Result<Option<Permissions>, StoreError> {
        self.plain().permissions(path).await
    }

    /// Sets a node's permissions.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn set_permissions(&self, path: &str, permissions: &Permissions) -> Result<(), StoreError> {
        self.plain().set_permissions(path, permissions).await
    }

    /// Makes all changes of `batch` or none, in one transaction whose requests are sent at once, begun anew
    /// when others interfere. A single change is sent without a transaction.
    ///
    /// # Errors
    /// One of the changes was refused (then none is made), or the store is gone (then all or none are).
    pub async fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        batch.check(&self.handle)?;
        if batch.len() <= 1 {
            return batch.send(&self.handle, self.plain()).await;
        }
        for tries in 0..TRIES_MAX {
            let transaction = Transaction::start(self, batch.subject()).await?;
            transaction.apply(batch).await?;
            if transaction.commit(batch.subject()).await? {
                return Ok(());
            }
            pause(tries).await;
        }
        Err(StoreError::Conflict { path: batch.subject().to_owned(), tries: TRIES_MAX })
    }

    /// Runs `work` in a transaction, and again from the start when others interfere. `subject` is the path that
    /// messages name. When `work` fails, nothing is changed.
    ///
    /// ```
    /// # async fn example(store: &xenstore::Store) -> Result<(), xenstore::StoreError> {
    /// let next = store.transaction("/counter", |tx| async move {
    ///     let old: u32 = tx.read("/counter").await?.and_then(|text| text.parse().ok()).unwrap_or(0);
    ///     tx.write("/counter", (old + 1).to_string()).await?;
    ///     Ok::<_, xenstore::StoreError>(old + 1)
    /// });
    /// # next.await?; Ok(()) }
    /// ```
    ///
    /// # Errors
    /// What `work` returned; or the store refused, or is gone.
    pub async fn transaction<T, E, F, Work>(&self, subject: &str, mut work: Work) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
        Work: FnMut(Transaction) -> F,
    {
        for tries in 0..TRIES_MAX {
            let transaction = Transaction::start(self, subject).await?;
            let result = work(transaction.clone()).await?;
            if transaction.commit(subject).await? {
                return Ok(result);
            }
            pause(tries).await;
        }
        Err(StoreError::Conflict { path: subject.to_owned(), tries: TRIES_MAX }.into())
    }

    /// Watches a node and everything below it, there or not; or `@introduceDomain`, `@releaseDomain`.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn watch(&self, path: &str) -> Result<Watch, StoreError> {
        Watch::register(self, path).await
    }

    /// Tells the daemon of a new domain: the frame of its store ring, and the domain's end of the event channel.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn introduce(&self, domid: u16, frame: u64, port: u32) -> Result<(), StoreError> {
        let arguments = [u64::from(domid), frame, u64::from(port)];
        self.about_domain(Op::Introduce, "introduce", &arguments).await.map(drop)
    }

    /// Tells the daemon to forget a domain. Daemons do that by themselves when a domain dies.
    ///
    /// # Errors
    /// The store refused (no such domain), or is gone.
    pub async fn release(&self, domid: u16) -> Result<(), StoreError> {
        self.about_domain(Op::Release, "release", &[u64::from(domid)]).await.map(drop)
    }

    /// Tells the daemon that a domain runs again after its suspend was cancelled.
    ///
    /// # Errors
    /// The store refused (no such domain), or is gone.
    pub async fn resume(&self, domid: u16) -> Result<(), StoreError> {
        self.about_domain(Op::Resume, "resume", &[u64::from(domid)]).await.map(drop)
    }

    /// Whether the daemon serves a domain.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn is_introduced(&self, domid: u16) -> Result<bool, StoreError> {
        let verb = "ask for the introduction of";
        let answer = self.about_domain(Op::IsDomainIntroduced, verb, &[u64::from(domid)]).await?;
        match answer.strip_suffix(b"\0").unwrap_or(&answer) {
            b"T" => Ok(true),
            b"F" => Ok(false),
            _ => Err(Failure::Malformed.on(verb, &domain_text(domid.into()))),
        }
    }

    /// Lets `domid`, a stub domain, act with the rights of `target`.
    ///
    /// # Errors
    /// The store refused (no such domain), or is gone.
    pub async fn set_target(&self, domid: u16, target: u16) -> Result<(), StoreError> {
        let arguments = [u64::from(domid), u64::from(target)];
        self.about_domain(Op::SetTarget, "set the target of", &arguments).await.map(drop)
    }

    /// The directory to which relative paths of a domain belong.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn domain_path(&self, domid: u16) -> Result<String, StoreError> {
        let answer = self.about_domain(Op::GetDomainPath, "ask for the path of", &[u64::from(domid)]).await?;
        Ok(String::from_utf8_lossy(answer.strip_suffix(b"\0").unwrap_or(&answer)).into_owned())
    }

    async fn about_domain(
        &self,
        op: Op,
        verb: &'static str,
        arguments: &[u64],
    ) -> Result<Vec<u8>, StoreError> {
        let payload: Vec<u8> =
            arguments.iter().flat_map(|number| c_string(number.to_string().as_bytes())).collect();
        let answer = self.plain().submit(op, payload).wait().await;
        answer.map_err(|failure| failure.on(verb, &domain_text(arguments[0])))
    }

    fn plain(&self) -> Requester<'_> {
        Requester::plain(&self.handle)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

fn domain_text(domid: u64) -> String {
    format!("domain {domid}")
}

pub(crate) fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
