//! The command line. Its help is the first documentation that anybody reads.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::tail::TailOp;
use crate::config::{Overrides, PipelineName, SecretUrl, SinkKind, TablePattern};
use crate::exit::EXIT_CODES;
use crate::logging::LogFormat;

/// Sends every committed row change of a PostgreSQL database to Kafka, NATS JetStream, HTTP receivers or files: nothing
/// lost, nothing invented, in order per key.
#[derive(Debug, Parser)]
#[command(version, after_long_help = EXIT_CODES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) global: Global,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The configuration file [default: ./cdc.toml]
    #[arg(short, long, global = true, env = "CDC_CONFIG", value_name = "FILE", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,

    /// Which log lines: error, warn, info, debug, trace, also per part (wal_reader=debug,info)
    #[arg(long, global = true, env = "CDC_LOG", default_value = "info", value_name = "FILTER")]
    pub(crate) log_level: String,

    /// How log lines are written
    #[arg(long, global = true, env = "CDC_LOG_FORMAT", value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,

    /// Send spans of loads and batches to the OpenTelemetry collector at this address (OTLP over HTTP):
    /// http://127.0.0.1:4318
    #[arg(long, global = true, env = "CDC_OTLP_ENDPOINT", value_name = "URL", hide_env_values = true)]
    pub(crate) otlp_endpoint: Option<String>,

    /// Use this source instead of the configured one. Keep passwords out of it: command lines are visible to others
    #[arg(long, global = true, value_name = "URL", value_parser = source_url)]
    pub(crate) source_url: Option<SecretUrl>,

    /// Use this sink: its section of the file if there is one, else its defaults
    #[arg(long, global = true, value_enum, value_name = "KIND")]
    pub(crate) sink: Option<SinkKind>,

    /// Keep checkpoint and control socket below this folder
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) state_dir: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a first configuration, and say what the database still lacks for it
    ///
    /// Asks on a terminal; elsewhere the flags must say what has no default. Connects, lists the tables, proposes which of
    /// them to send, writes a commented cdc.toml, and runs the check: what a DBA must do is printed as SQL. A password is
    /// never written: name a file that holds it, or set CDC__SOURCE__POSTGRES__PASSWORD.
    #[command(after_long_help = "\
Examples:
  cdc init                                  # asks
  cdc init --url postgres://cdc@db/shop --password-file /run/secrets/pg --sink kafka --brokers kafka:9092
  cdc init --url postgres://cdc@db/shop --tables 'public.*' --sink file --path /var/log/shop.ndjson --output shop.toml
  cdc init --url postgres://cdc@db/shop --sink kafka --brokers kafka:9092 --adopt-slot debezium

--adopt-slot takes over a slot of pgoutput that another program read from, without a load: stop that program for good
first. What it had confirmed is not sent again.")]
    Init(Box<InitArgs>),

    /// Load the tables if that is due, then stream every change until stopped
    ///
    /// The first run creates publication and slot where it may, reads all tables as they stand, and goes on with the
    /// changes; later runs continue at the checkpoint. SIGTERM or SIGINT: drain, save, leave.
    #[command(after_long_help = "\
Examples:
  cdc run                                   # ./cdc.toml
  cdc run shop.toml billing.toml            # two pipelines in one process
  cdc run --sink stdout --log-level warn    # have a look at the events
  CDC__SOURCE__POSTGRES__PASSWORD=… cdc run # any key by the environment")]
    Run {
        /// Configuration files, one per pipeline; without any, the one of --config
        #[arg(value_name = "CONFIG")]
        configs: Vec<PathBuf>,
    },

    /// Read tables as they stand: the first load alone, or a reload
    ///
    /// While the pipeline runs, it reads the tables anew between the changes it streams, and no order is upset.
    /// While it does not, the first load is done without streaming afterwards.
    #[command(after_long_help = "\
Examples:
  cdc snapshot                              # the first load alone
  cdc snapshot --tables public.orders       # a reload, into the running pipeline
  cdc snapshot --tables 'public.a*,sales.*'
  cdc snapshot --tables public.orders --where \"day >= '2026-01-01'\" --columns total,note
  cdc snapshot --tables 'public.*' --truncate-first
  cdc snapshot --estimate                   # how much it is, and how long it will take
  cdc snapshot --new-epoch                  # give up the slot and the checkpoint, load everything again

A part of a table (--where, --columns) is read when all that it contains has been sent as changes, and is not closed by
a LOAD_END: what it leaves out is not gone. Columns that are left out come as omitted, never as null.")]
    Snapshot(SnapshotArgs),

    /// Name everything that would fail or lose data later, with the remedy
    ///
    /// Looks at the server's settings and encoding, the role's rights, every table's replica identity, the publication with
    /// its column lists and row filters, open and prepared transactions, the slot, slots that nobody reads, standbys, and the
    /// sink. Knows what to do on Amazon RDS and Aurora, Cloud SQL, Azure, Supabase and Neon.
    /// Changes nothing.
    #[command(after_long_help = "\
Examples:
  cdc check && cdc run
  cdc check --json | jq -r '.findings[].sql[]'   # the statements that mend it")]
    Check {
        /// For machines: every finding with code, severity, what, why, mend and sql
        #[arg(long)]
        json: bool,
    },

    /// Show changes as they come, on a slot that vanishes with this command
    ///
    /// Begins now, waits for transactions that are open, and shows what is committed from then on, as the pipeline would
    /// send it: the same tables, columns and masks. The pipeline's slot, publication and checkpoint are not touched; the
    /// publication must exist. Numbers (epoch, table_seq) are this command's own. Ctrl-C ends it.
    #[command(after_long_help = "\
Examples:
  cdc tail
  cdc tail --tables 'public.orders,sales.*' --op insert,delete
  cdc tail --json --limit 10 | jq .after")]
    Tail(TailArgs),

    /// Say what a running pipeline is doing: position, lag, checkpoint, tables, last errors
    #[command(after_long_help = "\
Examples:
  cdc status
  cdc status --json | jq .lag_bytes
  cdc status --healthy > /dev/null          # as a container's health check")]
    Status {
        /// End with 4 unless the pipeline's loop is alive, as /health of the admin page tells it
        #[arg(long)]
        healthy: bool,

        /// As /status of the admin page has it
        #[arg(long)]
        json: bool,
    },

    /// Send rows of a polled database again, or let a scan delete what is gone
    ///
    /// The next scan does it, also of a pipeline that is running. Rows that are sent again are updates that name no changed
    /// columns; nothing is ever deleted by it, except that --confirm-deletes lets the next full scan go beyond
    /// max_delete_fraction.
    #[command(after_long_help = "\
Examples:
  cdc resync                                # everything
  cdc resync --table crm.customers
  cdc resync --table crm.customers --key 4711
  cdc resync --table crm.customers --confirm-deletes")]
    Resync(ResyncArgs),
    /// Send retained events again, to one more consumer
    ///
    /// For pipelines with a `[retain]` section. Events go out as they were encoded, under their IDs, each once, up to those
    /// that are kept now. The running pipeline and its checkpoint are not touched.
    #[command(after_long_help = "\
Examples:
  cdc replay --from beginning --to consumer.toml
  cdc replay --from 2h --to consumer.toml
  cdc replay --from 2026-11-22T06:00:00Z --to consumer.toml
  cdc replay --from shop/1795252500/0000000001A2B400/4 --to consumer.toml

consumer.toml holds a [sink.…] section; what else it holds does not count.")]
    Replay(ReplayArgs),

    /// Back up or restore what the pipeline remembers
    #[command(subcommand)]
    State(StateCommand),

    /// Have systemd run the pipeline: at once, with the machine, and again when it fails
    #[command(subcommand)]
    Service(ServiceCommand),

    /// List, create or drop the replication slot
    #[command(subcommand)]
    Slot(SlotCommand),

    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),

    /// Write the shell's completions to standard output
    #[command(after_long_help = "Example:\n  cdc completions bash > /etc/bash_completion.d/cdc")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// What `cdc replay` is told.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Where to begin: beginning, an age (90s, 30m, 2h, 3d), a time (2026-11-22T06:00:00Z), or an event's ID
    #[arg(long, value_name = "START", value_parser = crate::commands::replay::start)]
    pub(crate) from: sinks::Start,
    /// The file that names the other sink
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// Write a copy of the state, also while the pipeline runs
    #[command(after_long_help = "Example:\n  cdc state backup /backup/shop.tar")]
    Backup {
        /// Replaced if it is there
        file: PathBuf,
    },
    /// Put a copy in the state's place, while the pipeline does not run
    ///
    /// What was delivered after the copy was made is sent again, as far as the database still has it. A PostgreSQL slot
    /// keeps nothing older than the last checkpoint: with an older copy, `cdc run` stops and says what to load.
    #[command(after_long_help = "Example:\n  cdc state restore /backup/shop.tar")]
    Restore {
        /// What `cdc state backup` wrote
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Write the unit cdc-NAME.service, enable it and start it
    ///
    /// It runs as a user of its own that can write to /var/lib/cdc alone. A password beside the configuration
    /// (shop.password beside shop.toml) is handed to it as /run/credentials/cdc-NAME.service/password.
    #[command(after_long_help = "\
Examples:
  cdc service install --config /etc/cdc/shop.toml
  cdc service install --config /etc/cdc/shop.toml --print > my.service")]
    Install {
        /// Write the unit to standard output instead
        #[arg(long)]
        print: bool,
        /// Install into the system that is below this folder, without starting it
        #[arg(long, value_name = "FOLDER", conflicts_with = "print")]
        root: Option<PathBuf>,
    },
    /// Stop it and remove the unit; what the pipeline remembers stays
    #[command(after_long_help = "Example:\n  cdc service remove --config /etc/cdc/shop.toml")]
    Remove {
        /// Remove it from the system that is below this folder
        #[arg(long, value_name = "FOLDER")]
        root: Option<PathBuf>,
    },
    /// Say what systemd says of it; ends with 4 if it does not run
    #[command(after_long_help = "Example:\n  cdc service status --config /etc/cdc/shop.toml")]
    Status,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SlotCommand {
    /// List the server's slots, with the WAL that each one holds back
    #[command(after_long_help = "Example:\n  cdc slot list")]
    List,
    /// Create the configured slot and publication
    #[command(after_long_help = "Example:\n  cdc slot create")]
    Create,
    /// Drop the configured slot, so that the server can let go of its WAL. A later run has to load again
    #[command(after_long_help = "Example:\n  cdc slot drop --yes")]
    Drop {
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Write the configuration as it counts, with who set what, without secrets
    #[command(after_long_help = "Example:\n  CDC__LOAD__WORKERS=4 cdc config show")]
    Show,
    /// Write the JSON Schema of cdc.toml, for editors and linters
    #[command(after_long_help = "\
Example:
  cdc config schema > cdc.schema.json       # and `#:schema ./cdc.schema.json` as cdc.toml's first line")]
    Schema,
}

/// What `cdc init` is told.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The database: postgres://user@host:port/database or mysql://user@host:port/
    #[arg(long, value_name = "URL", value_parser = source_url)]
    pub(crate) url: Option<SecretUrl>,
    /// A file that holds the password alone
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// What the pipeline is called [default: the database's name]
    #[arg(long, value_parser = pipeline_name)]
    pub(crate) name: Option<PipelineName>,
    /// Which tables [default: those with a replica identity]
    #[arg(long, value_delimiter = ',', value_name = "PATTERN")]
    pub(crate) tables: Vec<TablePattern>,
    /// And which of them not
    #[arg(long, value_delimiter = ',', value_name = "PATTERN")]
    pub(crate) exclude_tables: Vec<TablePattern>,
    /// Kafka's brokers, for --sink kafka
    #[arg(long, value_delimiter = ',', value_name = "HOST:PORT")]
    pub(crate) brokers: Vec<String>,
    /// NATS's servers, for --sink nats
    #[arg(long, value_delimiter = ',', value_name = "URL")]
    pub(crate) servers: Vec<String>,
    /// Where to post to, for --sink http
    #[arg(long, value_name = "URL")]
    pub(crate) receiver: Option<String>,
    /// The file, for --sink file
    #[arg(long, value_name = "FILE")]
    pub(crate) path: Option<PathBuf>,
    /// Go on from this slot, which another program read from, without a load
    #[arg(long, value_name = "SLOT")]
    pub(crate) adopt_slot: Option<String>,
    /// The publication [default: cdc_NAME; for --adopt-slot dbz_publication, if there is one]
    #[arg(long)]
    pub(crate) publication: Option<String>,
    /// Where to write the configuration [default: that of --config]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long)]
    pub(crate) force: bool,
}

/// What `cdc snapshot` is told.
#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    /// Which of the configured tables; without it all of them
    #[arg(long, value_delimiter = ',', value_name = "PATTERN")]
    pub(crate) tables: Vec<TablePattern>,
    /// Read those rows alone: a condition in the database's language, for one table
    #[arg(long = "where", value_name = "SQL", requires = "tables", conflicts_with = "truncate_first")]
    pub(crate) filter: Option<String>,
    /// Read those columns alone, and the key's, of one table
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "COLUMN",
        requires = "tables",
        conflicts_with = "truncate_first"
    )]
    pub(crate) columns: Vec<String>,
    /// Send a TRUNCATE before each table's rows: for consumers that can't take away at LOAD_END what is gone
    #[arg(long, requires = "tables")]
    pub(crate) truncate_first: bool,
    /// Say how many rows and bytes there are and how long reading them takes, and read nothing but a short sample
    #[arg(long, conflicts_with_all = ["filter", "columns", "truncate_first", "new_epoch"])]
    pub(crate) estimate: bool,
    /// Start over: drop and create the slot, set the checkpoint aside, load all tables. For when the history so far
    /// can't be gone on with: a lost slot, another server, a torn checkpoint
    #[arg(long, conflicts_with = "tables")]
    pub(crate) new_epoch: bool,
}

/// What `cdc resync` is told.
#[derive(Debug, Args)]
pub(crate) struct ResyncArgs {
    /// Which resource; without it all of them
    #[arg(long, value_name = "NAME")]
    pub(crate) table: Option<String>,
    /// The row with this key alone: one value for each column of the key, in its order
    #[arg(long, value_delimiter = ',', value_name = "VALUE", requires = "table")]
    pub(crate) key: Vec<String>,
    /// Send nothing again, but let the next full scan delete as many rows as are gone
    #[arg(long, requires = "table", conflicts_with = "key")]
    pub(crate) confirm_deletes: bool,
}

/// What `cdc tail` is told.
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// Which of the configured tables; without it all of them
    #[arg(long, value_delimiter = ',', value_name = "PATTERN")]
    pub(crate) tables: Vec<TablePattern>,
    /// Which kinds of events; without it all but schemas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "OP")]
    pub(crate) op: Vec<TailOp>,
    /// End after so many
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<u64>,
    /// One event a line, as the format `json` has it
    #[arg(long)]
    pub(crate) json: bool,
}

impl Command {
    /// Whether it runs a pipeline, or part of one.
    pub(crate) fn moves_rows(&self) -> bool {
        matches!(self, Self::Run { .. } | Self::Snapshot(_) | Self::Replay(_))
    }
}

impl Global {
    /// The file, and whether it was asked for by name.
    pub(crate) fn file(&self) -> (PathBuf, bool) {
        match &self.config {
            Some(file) => (file.clone(), true),
            None => (PathBuf::from("cdc.toml"), false),
        }
    }

    /// What counts more than the file.
    pub(crate) fn overrides(&self, variables: impl Iterator<Item = (String, String)>) -> Overrides {
        Overrides {
            variables: variables.collect(),
            source_url: self.source_url.clone(),
            sink: self.sink,
            state_dir: self.state_dir.clone(),
        }
    }
}

/// Any text: what is wrong with it is found where it is used, by an error that hides the password.
fn source_url(text: &str) -> Result<SecretUrl, std::convert::Infallible> {
    Ok(SecretUrl::from(text))
}

fn pipeline_name(text: &str) -> Result<PipelineName, String> {
    text.to_owned().try_into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        fn check(command: &clap::Command) {
            for inner in command.get_subcommands() {
                let help = inner.get_after_long_help().map(ToString::to_string).unwrap_or_default();
                assert!(inner.has_subcommands() || help.contains("Example"), "{}", inner.get_name());
                check(inner);
            }
        }
        check(&Cli::command());
    }

    #[test]
    fn a_source_url_is_not_shown() {
        let cli = Cli::parse_from(["cdc", "check", "--source-url", "postgres://u:hunter2@h/d"]);
        assert!(!format!("{cli:?}").contains("hunter2"));
    }

    #[test]
    fn tables_are_given_once_or_by_commas() {
        let cli = Cli::parse_from(["cdc", "snapshot", "--tables", "a.b,c.*", "--tables", "e.f"]);
        let Command::Snapshot(SnapshotArgs { tables, .. }) = cli.command else { panic!() };
        assert_eq!(tables.iter().map(TablePattern::as_str).collect::<Vec<_>>(), ["a.b", "c.*", "e.f"]);
    }
}
