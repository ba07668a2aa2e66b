use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding as Binding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;

use super::channel_binding::certificate_hash;
use super::config::{ChannelBinding, Config, Host, Place};
use super::connection::Connection;
use super::startup::DOING;
use crate::error::Error;

/// Answers the server's demand for a proof of who we are, until it says AuthenticationOk.
pub(super) async fn authenticate(
    connection: &mut Connection,
    config: &Config,
    host: &Host,
) -> Result<(), Error> {
    log_in(connection, config, host).await.map_err(|error| match (error, config.password.file()) {
        // The file may hold what was right until lately.
        (Error::Server { server, error, .. }, Some(path)) if error.sqlstate == "28P01" => {
            let doing = format!("logging in with the password in {}", path.display()).into();
            Error::Server { server, doing, error }
        }
        (error, _) => error,
    })
}

async fn log_in(connection: &mut Connection, config: &Config, host: &Host) -> Result<(), Error> {
    let mut login = Login { connection, config, host, has_bound_channel: false };
    loop {
        match login.connection.receive(&DOING).await? {
            Message::AuthenticationOk => return login.check_bound(),
            Message::AuthenticationCleartextPassword => login.send_cleartext().await?,
            Message::AuthenticationMd5Password(body) => login.send_md5(body.salt()).await?,
            Message::AuthenticationSasl(body) => login.scram(&body).await?,
            Message::AuthenticationGss | Message::AuthenticationSspi | Message::AuthenticationKerberosV5 => {
                return Err(login.refused(
                    "the server asks for GSSAPI, SSPI or Kerberos, which this program does not speak: \
                     give its role a line with scram-sha-256 (or cert) in pg_hba.conf",
                ));
            }
            Message::AuthenticationScmCredential => {
                return Err(
                    login.refused("the server asks for SCM credentials, which are out of use since 9.1")
                );
            }
            _ => return Err(login.connection.unexpected(&DOING)),
        }
    }
}

struct Login<'a> {
    connection: &'a mut Connection,
    config: &'a Config,
    host: &'a Host,
    has_bound_channel: bool,
}

impl Login<'_> {
    async fn send_cleartext(&mut self) -> Result<(), Error> {
        self.check_may_be_unbound("a clear-text password")?;
        let password = self.password().await?;
        if matches!(self.host.place, Place::Tcp(_)) && !self.connection.stream.is_encrypted() {
            tracing::warn!(
                server = %self.connection.endpoint,
                "the password goes over an unencrypted connection in clear text: use sslmode=verify-full, or \
                 scram-sha-256 in pg_hba.conf"
            );
        }
        self.send_password(&password).await
    }

    async fn send_md5(&mut self, salt: [u8; 4]) -> Result<(), Error> {
        self.check_may_be_unbound("an MD5 proof")?;
        let password = self.password().await?;
        let hash = md5_hash(self.config.user.as_bytes(), &password, salt);
        self.send_password(hash.as_bytes()).await
    }

    async fn send_password(&mut self, password: &[u8]) -> Result<(), Error> {
        frontend::password_message(password, &mut self.connection.outgoing)
            .map_err(|_| self.refused("the password holds a zero byte"))?;
        self.connection.send(&DOING).await
    }

    /// RFC 5802 and <https://www.postgresql.org/docs/current/sasl-authentication.html>.
    async fn scram(&mut self, offer: &AuthenticationSaslBody) -> Result<(), Error> {
        let mut offered = Vec::new();
        let mut mechanisms = offer.mechanisms();
        while let Some(mechanism) =
            mechanisms.next().map_err(|error| self.connection.not_understood(&DOING, error))?
        {
            offered.push(mechanism.to_owned());
        }
        let (mechanism, binding) = self.choose(&offered)?;
        let password = self.password().await?;
        let mut scram = ScramSha256::new(&password, binding);
        frontend::sasl_initial_response(mechanism, scram.message(), &mut self.connection.outgoing)
            .map_err(|error| self.connection.not_understood(&DOING, error))?;
        self.connection.send(&DOING).await?;
        let Message::AuthenticationSaslContinue(body) = self.connection.receive(&DOING).await? else {
            return Err(self.connection.unexpected(&DOING));
        };
        scram.update(body.data()).map_err(|error| self.broken(&error))?;
        frontend::sasl_response(scram.message(), &mut self.connection.outgoing)
            .map_err(|error| self.connection.not_understood(&DOING, error))?;
        self.connection.send(&DOING).await?;
        // An AuthenticationOk at this place would be a server that does not know the password either.
        let Message::AuthenticationSaslFinal(body) = self.connection.receive(&DOING).await? else {
            return Err(self.broken("the server gave no proof that it knows the password"));
        };
        scram.finish(body.data()).map_err(|error| self.broken(&error))?;
        self.has_bound_channel = mechanism == SCRAM_SHA_256_PLUS;
        Ok(())
    }

    fn choose(&self, offered: &[String]) -> Result<(&'static str, Binding), Error> {
        let offers = |mechanism: &str| offered.iter().any(|offered| offered == mechanism);
        let wanted = self.config.channel_binding;
        if wanted != ChannelBinding::Disable
            && offers(SCRAM_SHA_256_PLUS)
            && let Some(hash) = certificate_hash(&self.connection.stream)
        {
            return Ok((SCRAM_SHA_256_PLUS, Binding::tls_server_end_point(hash)));
        }
        self.check_may_be_unbound("a proof without channel binding")?;
        if !offers(SCRAM_SHA_256) {
            return Err(self.refused(&format!(
                "the server offers {}, and this program speaks SCRAM-SHA-256",
                offered.join(", ")
            )));
        }
        // "I could bind, you can't" is checked by the server: it would mean that somebody cut its offer short.
        let could_bind = wanted != ChannelBinding::Disable
            && !offers(SCRAM_SHA_256_PLUS)
            && certificate_hash(&self.connection.stream).is_some();
        Ok((SCRAM_SHA_256, if could_bind { Binding::unrequested() } else { Binding::unsupported() }))
    }

    fn check_may_be_unbound(&self, demand: &str) -> Result<(), Error> {
        if self.config.channel_binding == ChannelBinding::Require {
            return Err(self.refused(&format!(
                "channel_binding=require, but the server is content with {demand}: it takes TLS, scram-sha-256 in \
                 pg_hba.conf, and a certificate that is not signed with Ed25519"
            )));
        }
        Ok(())
    }

    fn check_bound(&self) -> Result<(), Error> {
        if self.has_bound_channel { Ok(()) } else { self.check_may_be_unbound("no proof at all") }
    }

    async fn password(&self) -> Result<Vec<u8>, Error> {
        let Config { password, database, user, .. } = self.config;
        password.look_up(self.host, database, user).await?.filter(|password| !password.is_empty()).ok_or_else(
            || self.refused("the server asks for a password, and none is configured: set password_file"),
        )
    }

    fn refused(&self, problem: &str) -> Error {
        Error::Authentication { server: self.connection.endpoint.clone(), problem: problem.to_owned() }
    }

    fn broken(&self, error: impl std::fmt::Display) -> Error {
        self.refused(&format!("SCRAM: {error}"))
    }
}
