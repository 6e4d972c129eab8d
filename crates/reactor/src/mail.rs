//! Mail: links for new passwords, by SMTP. A link's secret is nowhere but in the mail, so it can't
//! wait in the outbox or the log; it waits here, in memory, for as long as it is good.

use std::time::Duration;

use lettre::address::AddressError;
use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::Error as SmtpError;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio::sync::mpsc;

/// Mails that wait to be sent, at most.
const WAITING_MAX: usize = 200;
/// One attempt takes at most this long.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The pauses between attempts; together with the attempts they stay within a link's ten minutes.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(2), Duration::from_secs(15), Duration::from_mins(1)];

/// How mail leaves this installation.
pub struct MailConfig {
    /// `smtps://USER:PASSWORD@HOST`, `smtp://HOST?tls=required` or `smtp://HOST`.
    pub smtp_url: String,
    /// Who it is from, such as `Signcall <calls@example.org>`.
    pub from: String,
    /// Where people reach the page, such as `https://call.example.org`.
    pub public_url: String,
}

/// Why mail can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The server's address; never shown, it may hold a password.
    #[error("smtp_url is no address of the form smtps://USER:PASSWORD@HOST: {0}")]
    Url(#[source] SmtpError),
    /// The sender's address.
    #[error("mail_from {0:?} is no address of the form Name <user@example.org>: {1}")]
    From(String, #[source] AddressError),
}

/// The way for mails. Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    queue: mpsc::Sender<Mail>,
    public_url: String,
}

struct Mail {
    to: String,
    subject: &'static str,
    body: String,
}

impl Mailer {
    /// Starts sending; ends when the last handle is dropped.
    pub fn start(config: MailConfig) -> Result<Self, MailError> {
        let MailConfig { smtp_url, from, public_url } = config;
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(&smtp_url);
        let transport = transport.map_err(MailError::Url)?.timeout(Some(TIMEOUT)).build();
        let mailbox: Mailbox = from.parse().map_err(|error| MailError::From(from, error))?;
        let (queue, mails) = mpsc::channel(WAITING_MAX);
        tokio::spawn(send_all(transport, mailbox, mails));
        Ok(Self { queue, public_url: public_url.trim_end_matches('/').to_owned() })
    }

    /// Sends a link with which a new password can be set. Does not wait.
    pub fn reset_link(&self, to: &str, secret: &str) {
        let body = format!(
            "Somebody, most likely you, asked for a new password for your Signcall account.\r\n\
             Set it here; the link works once, for ten minutes:\r\n\r\n\
             {}/reset/{secret}\r\n\r\n\
             If it was not you, do nothing: your password stays as it is.\r\n",
            self.public_url
        );
        let mail = Mail { to: to.to_owned(), subject: "Your new Signcall password", body };
        if self.queue.try_send(mail).is_err() {
            tracing::warn!(waiting = WAITING_MAX, "too many mails wait; one is not sent");
        }
    }
}

async fn send_all(
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    mut mails: mpsc::Receiver<Mail>,
) {
    while let Some(mail) = mails.recv().await {
        // Nothing of the mail goes into log lines: neither to whom, nor the link.
        let to = match mail.to.parse() {
            Ok(address) => Mailbox::new(None, address),
            Err(error) => {
                tracing::warn!(%error, "a user's address takes no mail");
                continue;
            }
        };
        let message = Message::builder()
            .from(from.clone())
            .to(to)
            .subject(mail.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.body);
        match message {
            Ok(message) => send(&transport, message).await,
            Err(error) => tracing::warn!(%error, "a mail could not be written"),
        }
    }
}

async fn send(transport: &AsyncSmtpTransport<Tokio1Executor>, message: Message) {
    let mut pauses = PAUSES.into_iter();
    while let Err(error) = transport.send(message.clone()).await {
        let reason = if error.is_permanent() { None } else { pauses.next() };
        let Some(pause) = reason else {
            tracing::error!(status = ?error.status(), "a mail was given up: {}", kind(&error));
            return;
        };
        tracing::warn!(status = ?error.status(), "a mail has to wait: {}", kind(&error));
        tokio::time::sleep(pause).await;
    }
}

/// What went wrong, without the server's words, which may repeat an address.
fn kind(error: &SmtpError) -> &'static str {
    if error.is_timeout() {
        "the mail server is silent"
    } else if error.is_tls() {
        "TLS with the mail server fails"
    } else if error.is_permanent() || error.is_transient() {
        "the mail server refuses it"
    } else {
        "the mail server can't be reached"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(smtp_url: &str, from: &str) -> Result<Mailer, MailError> {
        let public_url = "https://call.example.org/".to_owned();
        Mailer::start(MailConfig {
            smtp_url: smtp_url.to_owned(),
            from: from.to_owned(),
            public_url,
        })
    }

    #[tokio::test]
    async fn what_is_wrong_is_said_without_the_password() {
        let from = "Signcall <calls@example.org>";
        let wrong = start("http://ada:geheim@example.org", from).err().unwrap().to_string();
        assert!(wrong.contains("smtp_url") && !wrong.contains("geheim"), "{wrong}");
        let wrong = start("smtp://example.org", "nobody").err().unwrap().to_string();
        assert!(wrong.contains("mail_from"), "{wrong}");
        assert!(start("smtps://ada:geheim@example.org", from).is_ok());
    }
}
