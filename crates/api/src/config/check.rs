//! What each limit may be. A value outside is refused before anything is opened, with its key.

use std::time::Duration;

use axum::http::Uri;

use super::{ApiConfig, Rate};

const DAY_S: u64 = 24 * 3600;
/// The longest time that a log-in can be told to live: a year.
const LIFE_MAX_S: u64 = 365 * DAY_S;
/// bcrypt knows no cost below; above, one log-in would take five seconds and more.
const COSTS: (u64, u64) = (4, 16);
/// Tokens of a bucket, and how many come back a minute: one a microsecond.
const RATE_MAX: u64 = 60_000_000;
/// Open connections or sockets.
const OPEN_MAX: u64 = 1_000_000;
/// Anything that a request waits for.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// A value that its key can't have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {value}; {allowed}")]
pub struct ConfigError {
    /// The key, with dots.
    pub key: String,
    /// What it was set to.
    pub value: String,
    /// What would do.
    pub allowed: String,
}

fn wrong(key: &str, value: &impl ToString, allowed: impl Into<String>) -> ConfigError {
    ConfigError { key: key.to_owned(), value: value.to_string(), allowed: allowed.into() }
}

fn within(key: &str, value: u64, (min, max): (u64, u64)) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(wrong(key, &value, format!("{min} to {max} is allowed")))
}

impl ApiConfig {
    /// Says which value is outside its range, if one is.
    pub fn check(&self) -> Result<(), ConfigError> {
        let numbers = [
            ("token_lifetime_s", u64::from(self.token_lifetime_s), (1, LIFE_MAX_S)),
            ("token_cap_s", u64::from(self.token_cap_s), (1, LIFE_MAX_S)),
            ("renew_when_left_s", u64::from(self.renew_when_left_s), (0, LIFE_MAX_S)),
            ("bcrypt_cost", u64::from(self.bcrypt_cost), COSTS),
            ("lock_after", u64::from(self.lock_after), (1, u64::from(u32::MAX))),
            ("lock_s", u64::from(self.lock_s), (1, LIFE_MAX_S)),
            ("connections_max", self.connections_max as u64, (1, OPEN_MAX)),
            ("sockets_per_user", self.sockets_per_user as u64, (1, OPEN_MAX)),
            ("sockets_max", self.sockets_max as u64, (1, OPEN_MAX)),
        ];
        for (key, value, range) in numbers {
            within(key, value, range)?;
        }
        let times = [
            ("head_timeout", self.head_timeout),
            ("body_timeout", self.body_timeout),
            ("request_timeout", self.request_timeout),
            ("shutdown_within", self.shutdown_within),
        ];
        for (key, time) in times {
            if time.is_zero() || time > WAIT_MAX {
                let allowed = format!("more than 0 and at most {WAIT_MAX:?} is allowed");
                return Err(wrong(key, &format!("{time:?}"), allowed));
            }
        }
        self.check_rates()?;
        origins("allowed_origins", &self.allowed_origins)?;
        origins("cors_origins", &self.cors_origins)
    }

    fn check_rates(&self) -> Result<(), ConfigError> {
        let throttles = &self.throttles;
        let rates = [
            ("registrations", throttles.registrations),
            ("logins", throttles.logins),
            ("wrong_passwords", throttles.wrong_passwords),
            ("own_passwords", throttles.own_passwords),
            ("chat", throttles.chat),
            ("unknown_codes", throttles.unknown_codes),
            ("resets", throttles.resets),
            ("exports", throttles.exports),
            ("ephemeral", throttles.ephemeral),
        ];
        for (name, Rate { burst, per_minute }) in rates {
            // 0 switches a throttle off.
            within(&format!("throttles.{name}.burst"), u64::from(burst), (0, RATE_MAX))?;
            let key = format!("throttles.{name}.per_minute");
            within(&key, u64::from(per_minute), (0, RATE_MAX))?;
        }
        let steps = &throttles.wrong_password_steps;
        for step in steps {
            within("throttles.wrong_password_steps.wait_s", u64::from(step.wait_s), (0, DAY_S))?;
        }
        if !steps.is_sorted_by_key(|step| step.after) {
            let afters: Vec<String> = steps.iter().map(|step| step.after.to_string()).collect();
            let key = "throttles.wrong_password_steps.after";
            return Err(wrong(key, &afters.join(", "), "each has to be above the one before"));
        }
        Ok(())
    }
}

/// Origins are compared as they are: one with a path or a slash at its end would never match.
fn origins(key: &str, origins: &[String]) -> Result<(), ConfigError> {
    for origin in origins {
        let bare = |uri: &Uri| {
            let (scheme, host) = (uri.scheme_str()?, uri.authority()?);
            (scheme == "http" || scheme == "https").then(|| format!("{scheme}://{host}"))
        };
        let parsed: Option<Uri> = origin.parse().ok();
        if parsed.as_ref().and_then(bare).as_ref() != Some(origin) {
            let allowed = "expected scheme and host alone, such as https://call.example.org";
            return Err(wrong(key, &format!("{origin:?}"), allowed));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut ApiConfig)) -> String {
        let mut config = ApiConfig::default();
        change(&mut config);
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn values_outside_their_range_are_refused_with_key_value_and_range() {
        ApiConfig::default().check().unwrap();
        assert_eq!(refused(|c| c.bcrypt_cost = 3), "bcrypt_cost is 3; 4 to 16 is allowed");
        assert_eq!(refused(|c| c.bcrypt_cost = 31), "bcrypt_cost is 31; 4 to 16 is allowed");
        assert!(refused(|c| c.token_lifetime_s = 0).starts_with("token_lifetime_s is 0"));
        assert!(refused(|c| c.sockets_max = 0).starts_with("sockets_max is 0"));
        assert!(refused(|c| c.connections_max = usize::MAX).starts_with("connections_max is"));
        assert!(refused(|c| c.body_timeout = Duration::ZERO).starts_with("body_timeout is 0ns"));
        let rate = refused(|c| c.throttles.chat.per_minute = u32::MAX);
        assert!(rate.starts_with("throttles.chat.per_minute is 4294967295"), "{rate}");
        let falling = refused(|c| c.throttles.wrong_password_steps.reverse());
        assert!(
            falling.starts_with("throttles.wrong_password_steps.after is 100, 25"),
            "{falling}"
        );
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        let with = |origin: &str| {
            let allowed_origins = vec![origin.to_owned()];
            ApiConfig { allowed_origins, ..ApiConfig::default() }.check()
        };
        with("https://call.example.org").unwrap();
        with("http://localhost:8080").unwrap();
        for wrong in
            ["https://call.example.org/", "call.example.org", "*", "ftp://x", "https://a/b"]
        {
            assert!(with(wrong).is_err(), "{wrong}");
        }
    }
}
