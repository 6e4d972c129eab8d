//! What happens later or outside: timers, retention, mail, webhooks.
