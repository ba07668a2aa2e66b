use std::time::Duration;

/// How a dead peer is noticed. `None`: the system's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Liveness {
    /// Whether a silent peer is asked at all.
    pub keepalives: bool,
    /// After how much silence.
    pub idle: Option<Duration>,
    /// How often after that.
    pub interval: Option<Duration>,
    /// How often in vain.
    pub count: Option<u32>,
    /// For how long what was sent may go unacknowledged.
    pub user_timeout: Option<Duration>,
}

impl Default for Liveness {
    /// A peer that is gone is given up within a minute; the systems' own default is over two hours.
    fn default() -> Self {
        Self {
            keepalives: true,
            idle: Some(Duration::from_secs(30)),
            interval: Some(Duration::from_secs(10)),
            count: Some(3),
            user_timeout: Some(Duration::from_secs(60)),
        }
    }
}
