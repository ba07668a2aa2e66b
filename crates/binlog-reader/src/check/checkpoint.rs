use event::Findings;

use super::{Known, aside};
use crate::error::Error;
use crate::options::Options;
use crate::retention::{self, Retention};
use crate::session::Session;
use crate::system::{self, Continuity, System};

/// Whether the log still has what comes after the checkpoint, and for how long.
pub(super) async fn check(
    session: &mut Session,
    options: &Options,
    system: &System,
    known: &Known,
    findings: &mut Findings,
) -> Result<(), Error> {
    let Known { server, base, position } = known;
    match system::check(session, system, server, base, position, ["all tables"]).await {
        Ok(Continuity::Same) => {}
        // Its files are another's: none of them is the checkpoint's.
        Ok(Continuity::FailedOver(_)) => return Ok(()),
        Err(Error::Refused(refusal)) => {
            findings.push(&*refusal);
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    let kept = Retention::default().look(session, &aside(options), system, position.offset).await?;
    if let Some(kept) = kept.filter(|kept| kept.is_scarce()) {
        findings.warning(retention::SOON_PURGED, kept.explanation());
    }
    Ok(())
}
