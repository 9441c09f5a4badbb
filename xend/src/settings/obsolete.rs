//! Options that the original of 4.4 no longer had, or that a vendor had added (`xend-daemon` §1.6). They are known so
//! that their users learn what became of them.

/// Name and what to do about it.
pub(super) const OBSOLETE: &[(&str, &str)] = &[
    (
        "xen-tcp-xmlrpc-server-address",
        "write xend-tcp-xmlrpc-server-address; no version ever read this spelling",
    ),
    ("xen-tcp-xmlrpc-server-port", "write xend-tcp-xmlrpc-server-port; no version ever read this spelling"),
    ("xend-event-port", "take the line out; the event channel it belongs to was removed in 2005"),
    (
        "console-port-base",
        "take the line out and use xm console; consoles are not served over TCP since 2005",
    ),
    ("console-address", "take the line out and use xm console; consoles are not served over TCP since 2005"),
    ("vif-bridge", "name the bridge with the script instead: (vif-script 'vif-bridge bridge=NAME')"),
    ("vif-antispoof", "make it a word behind the script: (network-script 'network-bridge antispoof=yes')"),
    ("block-file", "take the line out; the script of a kind of disk is called block-KIND since 2005"),
    ("block-enbd", "take the line out; the script of a kind of disk is called block-KIND since 2005"),
    ("xend-domain-lock", NO_LOCK),
    ("xend-domain-lock-path", NO_LOCK),
    ("xend-domain-lock-utility", NO_LOCK),
];

const NO_LOCK: &str =
    "see to it that no guest runs on two hosts at once: no lock is taken, this was a vendor's addition";
