//! The workspace obeys the style page.

use std::path::Path;

use tidy::Workspace;

#[test]
fn the_workspace_is_tidy() {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies in tests/tidy");
    let workspace = Workspace::read(root).expect("the workspace can be read");
    assert!(workspace.sources().len() > 10, "only {} Rust files found", workspace.sources().len());
    let findings = workspace.check();
    let list: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    assert!(findings.is_empty(), "{} findings:\n{list}", findings.len());
}
