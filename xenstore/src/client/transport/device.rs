//! The kernel's xenbus device.
//!
//! It differs from a socket: each `write` must be one whole frame; a frame is at most 4096 bytes *with* its
//! header; `write` blocks until the daemon has answered (kernels before 4.11), and may refuse one request with an
//! errno, to which no answer comes. So a thread writes frame by frame, and another one reads.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Inbox, Link, Lost, Requests};
use crate::Errno;
use crate::wire::{Frame, HEADER_LEN, PAYLOAD_MAX};

struct Device {
    outgoing: UnboundedSender<Frame>,
    /// Dropped to end the reader.
    alive: Mutex<Option<PipeWriter>>,
}

impl Link for Device {
    fn send(&self, frame: Frame) -> Result<(), Lost> {
        self.outgoing.send(frame).map_err(|_| Lost::ClosedByDaemon)
    }

    fn payload_max(&self) -> usize {
        PAYLOAD_MAX - HEADER_LEN
    }

    fn close(&self) {
        // The writer ends by itself when the channel, which lives in `self`, is dropped.
        drop(self.alive.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

pub(super) fn open(path: &Path, requests: &Arc<Requests>) -> io::Result<Box<dyn Link>> {
    let device = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    start(device, requests)
}

fn start(device: File, requests: &Arc<Requests>) -> io::Result<Box<dyn Link>> {
    let writer = device.try_clone()?;
    let (stop, alive) = io::pipe()?;
    let (outgoing, queue) = unbounded_channel();
    let for_writer = Arc::clone(requests);
    let for_reader = Arc::clone(requests);
    let name = |name: &str| thread::Builder::new().name(name.to_owned());
    name("xenbus-write").spawn(move || send(writer, queue, &for_writer))?;
    name("xenbus-read").spawn(move || for_reader.fail(&receive(device, &stop, &for_reader)))?;
    Ok(Box::new(Device { outgoing, alive: Mutex::new(Some(alive)) }))
}

/// Reads frames until the device fails or the other end of `stop` is dropped.
fn receive(mut device: File, stop: &PipeReader, requests: &Arc<Requests>) -> Lost {
    let mut inbox = Inbox::new(requests);
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match wait(&device, stop) {
            Ok(true) => {}
            Ok(false) => return Lost::ClosedHere,
            Err(error) => return Lost::Io(Arc::new(error)),
        }
        match device.read(&mut buffer) {
            Ok(0) => return Lost::ClosedByDaemon,
            Ok(count) => {
                if let Err(lost) = inbox.take(&buffer[..count]) {
                    return lost;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Lost::Io(Arc::new(error)),
        }
    }
}

/// Waits until there is something to read; `false` when it is time to stop.
fn wait(device: &File, stop: &PipeReader) -> io::Result<bool> {
    let mut ready =
        [PollFd::new(device.as_fd(), PollFlags::POLLIN), PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
    loop {
        match poll(&mut ready, PollTimeout::NONE) {
            Ok(_) => return Ok(ready[1].revents().is_none_or(|events| events.is_empty())),
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Writes frames one by one. An error concerns that request only, unless the device is gone.
fn send(mut device: File, mut queue: UnboundedReceiver<Frame>, requests: &Requests) {
    while let Some(frame) = queue.blocking_recv() {
        let Err(error) = write_frame(&mut device, &frame.to_bytes()) else { continue };
        if let Some(errno) = refusal_of(&error) {
            requests.refuse(frame.req_id, errno);
        } else {
            queue.close();
            requests.fail(&Lost::Io(Arc::new(error)));
            return;
        }
    }
}

fn write_frame(device: &mut File, bytes: &[u8]) -> io::Result<()> {
    loop {
        match device.write(bytes) {
            Ok(count) if count == bytes.len() => return Ok(()),
            Ok(_) => return Err(ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The kernel's refusal of one request.
fn refusal_of(error: &io::Error) -> Option<Errno> {
    match error.raw_os_error()? {
        libc::EINVAL | libc::EILSEQ => Some(Errno::Invalid),
        libc::ENOENT => Some(Errno::NotFound),
        libc::EEXIST => Some(Errno::Exists),
        libc::EACCES => Some(Errno::Denied),
        libc::ENOMEM => Some(Errno::NoMemory),
        libc::ENOSPC => Some(Errno::NoSpace),
        libc::E2BIG => Some(Errno::TooBig),
        libc::EAGAIN => Some(Errno::Again),
        libc::ENOSYS => Some(Errno::NotSupported),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::Store;
    use crate::wire::{Decoder, Op};

    /// A device whose other end is in the test's hand.
    fn device() -> (Store, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let requests = Arc::new(Requests::default());
        let link = start(File::from(OwnedFd::from(ours)), &requests).unwrap();
        (Store::over(requests, link), theirs)
    }

    fn next_frame(kernel: &mut UnixStream, decoder: &mut Decoder) -> Frame {
        let mut buffer = [0; 4096];
        loop {
            if let Some(frame) = decoder.next_frame().unwrap() {
                return frame;
            }
            let count = kernel.read(&mut buffer).unwrap();
            decoder.push(&buffer[..count]);
        }
    }

    #[tokio::test]
    async fn a_watch_works_although_the_kernel_answers_without_a_number() {
        let (store, mut kernel) = device();
        let peer = thread::spawn(move || {
            let watch = next_frame(&mut kernel, &mut Decoder::for_requests());
            let mut bytes = Frame::new(Op::Watch, 0, 0, b"OK\0".to_vec()).to_bytes();
            let token = watch.payload.split(|&byte| byte == 0).nth(1).unwrap();
            let event = [b"/a/b\0", token, b"\0"].concat();
            Frame::new(Op::WatchEvent, 0, 0, event).encode(&mut bytes);
            // In pieces, as a device may be read.
            bytes.chunks(5).for_each(|piece| kernel.write_all(piece).unwrap());
            kernel
        });
        let mut watch = store.watch("/a").await.unwrap();
        assert_eq!(watch.next().await.unwrap(), "/a/b");
        drop(peer.join().unwrap());
        assert!(watch.next().await.unwrap_err().is_lost());
    }

    #[tokio::test]
    async fn a_value_that_fits_a_socket_but_not_the_device_is_refused_before_it_is_sent() {
        let (store, _kernel) = device();
        let error = store.write("/a", vec![b'x'; 4090]).await.unwrap_err();
        assert!(matches!(error, crate::StoreError::TooLong { limit: 4080, .. }), "{error}");
    }

    #[tokio::test]
    async fn dropping_the_store_closes_the_device() {
        let (store, mut kernel) = device();
        drop(store);
        let (done, ended) = std::sync::mpsc::channel();
        thread::spawn(move || done.send(kernel.read(&mut [0; 16]).unwrap()));
        assert_eq!(ended.recv_timeout(std::time::Duration::from_secs(20)), Ok(0));
    }
}
