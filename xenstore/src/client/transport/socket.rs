//! The daemon's unix socket: a byte stream, written and read by one task each.

use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::sockopt::SendTimeout;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr, setsockopt, socket};
use nix::sys::time::{TimeVal, TimeValLike};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use super::{Inbox, Link, Lost, Requests};
use crate::wire::{Frame, PAYLOAD_MAX};

/// How many seconds a daemon that answers nobody is waited for.
const TURN_WITHIN: i64 = 60;

struct Socket {
    outgoing: UnboundedSender<Frame>,
    reader: AbortHandle,
}

impl Link for Socket {
    fn send(&self, frame: Frame) -> Result<(), Lost> {
        self.outgoing.send(frame).map_err(|_| Lost::ClosedByDaemon)
    }

    fn payload_max(&self) -> usize {
        PAYLOAD_MAX
    }

    fn close(&self) {
        // The writer sends what is queued and ends when the channel, which lives in `self`, is dropped.
        self.reader.abort();
    }
}

pub(super) async fn open(path: &Path, requests: &Arc<Requests>) -> io::Result<Box<dyn Link>> {
    let (read_half, write_half) = connect(path).await?.into_split();
    let (outgoing, queue) = unbounded_channel();
    let reader = tokio::spawn(receive(read_half, Arc::clone(requests))).abort_handle();
    tokio::spawn(send(write_half, queue, Arc::clone(requests)));
    Ok(Box::new(Socket { outgoing, reader }))
}

/// xenstored listens with a backlog of 1 (C and OCaml, Xen 4.14 to 4.22), and the scripts of a domain's devices come all at
/// once. Who finds the queue full stands in line in the kernel.
async fn connect(path: &Path) -> io::Result<UnixStream> {
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        done => return done,
    }
    let path = path.to_path_buf();
    let waited = tokio::task::spawn_blocking(move || connect_in_turn(&path));
    let stream = waited.await.map_err(io::Error::other)??;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

fn connect_in_turn(path: &Path) -> io::Result<std::os::unix::net::UnixStream> {
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // Of a connect, too: it then fails as one that does not wait.
    setsockopt(&fd, SendTimeout, &TimeVal::seconds(TURN_WITHIN))?;
    let address = UnixAddr::new(path)?;
    // With a limit of time a signal ends it, whatever was said to the kernel about restarting.
    while let Err(error) = socket::connect(fd.as_raw_fd(), &address) {
        match error {
            Errno::EINTR => {}
            Errno::EAGAIN => {
                let text = format!("its queue was full for {TURN_WITHIN} s; does it still run?");
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            other => return Err(other.into()),
        }
    }
    setsockopt(&fd, SendTimeout, &TimeVal::zero())?;
    Ok(fd.into())
}

/// Reads frames until the connection ends.
async fn receive(mut source: OwnedReadHalf, requests: Arc<Requests>) {
    let mut inbox = Inbox::new(&requests);
    let mut buffer = vec![0; 16 * 1024];
    let lost = loop {
        match source.read(&mut buffer).await {
            Ok(0) => break Lost::ClosedByDaemon,
            Ok(count) => {
                if let Err(lost) = inbox.take(&buffer[..count]) {
                    break lost;
                }
            }
            Err(error) => break Lost::Io(Arc::new(error)),
        }
    };
    requests.fail(&lost);
}

/// Writes what is queued, everything that waits in one go.
async fn send(mut sink: OwnedWriteHalf, mut queue: UnboundedReceiver<Frame>, requests: Arc<Requests>) {
    let (mut frames, mut bytes) = (Vec::new(), Vec::new());
    while queue.recv_many(&mut frames, 64).await > 0 {
        bytes.clear();
        frames.drain(..).for_each(|frame| frame.encode(&mut bytes));
        if let Err(error) = sink.write_all(&bytes).await {
            queue.close();
            requests.fail(&Lost::Io(Arc::new(error)));
            return;
        }
    }
}
