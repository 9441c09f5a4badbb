//! The handshake number that both ends of a device write at `state` (`xend-daemon` §5.6).

use std::fmt;

/// One end's progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XenbusState {
    /// 0, or the node is missing.
    Unknown,
    /// 1: written when the nodes are made; no driver has looked yet.
    Initialising,
    /// 2: the backend's driver is ready and waits for the frontend and its script.
    InitWait,
    /// 3: the frontend has published its rings.
    Initialised,
    /// 4: in use.
    Connected,
    /// 5: about to end.
    Closing,
    /// 6: ended.
    Closed,
    /// 7
    Reconfiguring,
    /// 8
    Reconfigured,
}

impl XenbusState {
    const ALL: [Self; 9] = [
        Self::Unknown,
        Self::Initialising,
        Self::InitWait,
        Self::Initialised,
        Self::Connected,
        Self::Closing,
        Self::Closed,
        Self::Reconfiguring,
        Self::Reconfigured,
    ];

    /// From the node's text; what is not a state is `Unknown`, as the kernel has it.
    pub fn parse(text: Option<&str>) -> Self {
        let number = text.and_then(|text| text.trim().parse::<usize>().ok()).unwrap_or(0);
        Self::ALL.get(number).copied().unwrap_or(Self::Unknown)
    }

    /// The node's text.
    pub fn text(self) -> &'static str {
        ["0", "1", "2", "3", "4", "5", "6", "7", "8"][self as usize]
    }
}

impl fmt::Display for XenbusState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} ({})", self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_reads_back_and_nonsense_is_unknown() {
        for state in XenbusState::ALL {
            assert_eq!(XenbusState::parse(Some(state.text())), state);
        }
        for text in [None, Some(""), Some("9"), Some("-1"), Some("x")] {
            assert_eq!(XenbusState::parse(text), XenbusState::Unknown);
        }
        assert_eq!(XenbusState::InitWait.to_string(), "InitWait (2)");
    }
}
