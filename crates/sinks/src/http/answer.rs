use std::time::{Duration, SystemTime};

use hyper::header::{HeaderMap, LOCATION, RETRY_AFTER};
use hyper::{Response, StatusCode};

/// What a receiver's answer means for the events that it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has them.
    Taken,
    /// One of them at least is not as it wants it, or all together are too much.
    Refused(StatusCode),
    /// Not now.
    Later {
        why: String,
        /// As long as it wants to be left alone.
        pause: Option<Duration>,
    },
    /// It does not take us.
    Unauthorized(StatusCode),
    /// It is not who we are looking for.
    Elsewhere {
        status: StatusCode,
        /// What would mend it.
        remedy: &'static str,
    },
}

/// A receiver that asks for more has probably got its units wrong.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

impl Answer {
    /// By RFC 9110, 4918 (423), 8470 (425) and 6585 (429). 409 is what a receiver says that has the same request in work
    /// (draft-ietf-httpapi-idempotency-key-header).
    pub(super) fn of<B>(response: &Response<B>, now: SystemTime) -> Self {
        let status = response.status();
        match status.as_u16() {
            200..=299 => Self::Taken,
            400 | 413 | 422 => Self::Refused(status),
            401 | 403 | 407 => Self::Unauthorized(status),
            408 | 409 | 423 | 425 | 429 | 500..=599 => {
                Self::Later { why: status.to_string(), pause: pause(response.headers(), now) }
            }
            300..=399 if response.headers().contains_key(LOCATION) => Self::Elsewhere {
                status,
                remedy: "name the place that it points to in sink.http.url: redirects are not followed",
            },
            404 | 410 => Self::Elsewhere { status, remedy: "correct the path in sink.http.url" },
            405 => Self::Elsewhere { status, remedy: "correct sink.http.url: it must take POST" },
            406 | 415 => Self::Elsewhere {
                status,
                remedy: "set format.kind to what it takes: \"json\" for application/json",
            },
            _ => Self::Elsewhere { status, remedy: "see what the receiver says about it" },
        }
    }
}

/// `Retry-After`: seconds, or a date.
fn pause(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(pause.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Answer {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        // 1994-11-15T08:12:31Z
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_887_151);
        Answer::of(&response.body(()).unwrap(), now)
    }

    #[test]
    fn what_is_about_the_events_is_told_apart_from_what_is_not() {
        assert_eq!(answer(204, &[]), Answer::Taken);
        for status in [400, 413, 422] {
            assert!(matches!(answer(status, &[]), Answer::Refused(_)), "{status}");
        }
        for status in [408, 409, 423, 425, 429, 500, 502, 503, 504, 599] {
            assert!(matches!(answer(status, &[]), Answer::Later { pause: None, .. }), "{status}");
        }
        for status in [401, 403, 407] {
            assert!(matches!(answer(status, &[]), Answer::Unauthorized(_)), "{status}");
        }
        for status in [301, 304, 404, 405, 410, 411, 414, 415, 418, 421, 426, 431, 451] {
            assert!(matches!(answer(status, &[("location", "/x")]), Answer::Elsewhere { .. }), "{status}");
        }
    }

    #[test]
    fn a_receiver_says_how_long_to_wait() {
        for (value, seconds) in [
            ("7", Some(7)),
            ("Tue, 15 Nov 1994 08:12:41 GMT", Some(10)),
            ("Tue, 15 Nov 1994 08:12:21 GMT", Some(0)),
            ("1000000", Some(600)),
            ("-1", None),
            ("soon", None),
        ] {
            let Answer::Later { pause, .. } = answer(503, &[("retry-after", value)]) else {
                panic!("{value}")
            };
            assert_eq!(pause, seconds.map(Duration::from_secs), "{value}");
        }
    }
}
