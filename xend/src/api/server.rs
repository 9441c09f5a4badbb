//! HTTP on the unix socket: POST of an XML-RPC call, always answered with status 200.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::net::UnixListener;
use tracing::warn;
use xend_api::{Fault, Sxp, xmlrpc};

use super::Api;

/// The socket could not be opened or served.
#[derive(Debug, thiserror::Error)]
#[error("cannot {act} {path}")]
pub struct ServeError {
    act: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Opens the socket: its folder is made and forced to mode 0700, an old socket is replaced.
pub fn listen(socket: &Path) -> Result<UnixListener, ServeError> {
    let failed = |act| {
        let path = socket.to_owned();
        move |source| ServeError { act, path, source }
    };
    if let Some(folder) = socket.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed("make the folder of"))?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
            .map_err(failed("protect the folder of"))?;
    }
    match fs::remove_file(socket) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(failed("replace")(source)),
        _ => UnixListener::bind(socket).map_err(failed("listen on")),
    }
}

/// Answers requests on `socket` until the listener fails. `ready` is called once requests will be answered.
pub async fn serve(api: Api, socket: &Path, ready: impl FnOnce()) -> Result<(), ServeError> {
    let listener = listen(socket)?;
    let router = Router::new()
        .route("/", post(answer))
        .route("/{*path}", post(answer))
        .layer(DefaultBodyLimit::max(xmlrpc::MAX_BYTES))
        .with_state(Arc::new(api));
    ready();
    axum::serve(listener, router).await.map_err(|source| ServeError {
        act: "serve",
        path: socket.to_owned(),
        source,
    })
}

async fn answer(State(api): State<Arc<Api>>, body: Bytes) -> Response {
    let call = match xmlrpc::parse_call(&body) {
        Ok(call) => call,
        Err(error) => {
            warn!("a request could not be read: {error}");
            return reply(&Err(Fault::internal(error.to_string())));
        }
    };
    if Api::only_looks(&call.method) {
        return reply(&api.call(&call.method, &call.params).await);
    }
    // On a task of its own: a client that goes away in the middle must not stop what it has begun.
    match tokio::spawn(async move { api.call(&call.method, &call.params).await }).await {
        Ok(answer) => reply(&answer),
        Err(_) => reply(&Err(Fault::internal("the request ended in a fault of xend itself"))),
    }
}

fn reply(answer: &Result<Sxp, Fault>) -> Response {
    let text = xmlrpc::write_response(answer);
    (StatusCode::OK, [(header::CONTENT_TYPE, "text/xml")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_s_folder_is_for_root_alone_and_an_old_socket_is_replaced() {
        let dir = std::env::temp_dir().join(format!("xend-listen-{}", std::process::id()));
        let socket = dir.join("run/xmlrpc.sock");
        drop(listen(&socket).unwrap());
        let _second = listen(&socket).unwrap();
        let mode = fs::metadata(socket.parent().unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::remove_dir_all(dir).unwrap();
    }
}
