//! Commits that are in the log but that nobody sees: they wait for a synchronous standby that never comes.

use tokio::task::JoinHandle;

use crate::world::{World, run, soon, text, wait_until};

/// A server whose commits stall, of sessions with `synchronous_commit = on`.
pub(crate) struct Stall<'a>(&'a World);

/// A session whose commit stalls.
pub(crate) struct Stalled {
    pub(crate) pid: String,
    session: JoinHandle<()>,
}

impl<'a> Stall<'a> {
    /// The world's own session goes on committing.
    pub(crate) async fn begin(world: &'a World) -> Self {
        world.run("SET synchronous_commit = local").await;
        world.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await;
        world.run("SELECT pg_reload_conf()").await;
        // It holds once the checkpointer has noticed: until then commits go through.
        soon("commits to stall", async {
            loop {
                let probe = spawn(world, "CREATE TABLE IF NOT EXISTS probe (); DROP TABLE probe").await;
                while !probe.session.is_finished() {
                    if probe.is_stalled(world).await {
                        world.run(&format!("SELECT pg_cancel_backend({})", probe.pid)).await;
                        return probe.ended().await;
                    }
                }
            }
        })
        .await;
        Self(world)
    }

    /// Runs the statement in a session of its own until its commit is in the log.
    pub(crate) async fn commit(&self, statement: &str) -> Stalled {
        let stalled = spawn(self.0, statement).await;
        soon("the commit to stall", async {
            while !stalled.is_stalled(self.0).await {
                assert!(!stalled.session.is_finished(), "{statement} was committed");
            }
        })
        .await;
        stalled
    }

    /// All commits go through, also those under way.
    pub(crate) async fn end(self, stalled: impl IntoIterator<Item = Stalled>) {
        self.0.run("ALTER SYSTEM RESET synchronous_standby_names").await;
        self.0.run("SELECT pg_reload_conf()").await;
        for stalled in stalled {
            stalled.ended().await;
        }
        wait_until(&self.0.sql, "SELECT current_setting('synchronous_standby_names') = ''").await;
    }
}

async fn spawn(world: &World, statement: &str) -> Stalled {
    let sql = world.connect().await;
    let pid = text(&sql, "SELECT pg_backend_pid()").await;
    let statement = statement.to_owned();
    let session = tokio::spawn(async move { run(&sql, &statement).await });
    Stalled { pid, session }
}

impl Stalled {
    async fn is_stalled(&self, world: &World) -> bool {
        let query = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND wait_event = 'SyncRep'",
            self.pid
        );
        world.text(&query).await == "1"
    }

    async fn ended(self) {
        soon("the stalled session", self.session).await.unwrap();
    }
}
