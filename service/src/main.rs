//! The only binary: reads what it is told, builds the parts, and runs one command.
//!
//! It ends with the codes of [`Exit`]:
//!
//! | code | why |
//! | --- | --- |
//! | 0 | done, or stopped as it was told |
//! | 1 | a fault that no other code names; what was verified differs; what was checked has faults; stores would begin empty |
//! | 2 | wrong usage or configuration: every fault of it is said at once, and nothing was started |
//! | 4 | another process has the identity or the state directory of this one |
//! | 5 | state, topics and offsets do not fit together, or a schema and those that are registered: a person must decide |
//! | 6 | a server could not be reached by a command that does one thing; what runs on waits for it |
//! | 7 | a thread, or a call into librdkafka, did not come back |
#![forbid(unsafe_code)]

mod again;
mod backlog;
mod breaker;
mod calendar;
mod capture;
mod certificate;
mod cli;
mod commands;
mod config;
mod daily;
mod dead_letters;
mod demo;
mod doctor;
mod edge;
mod event_format;
mod failed;
mod flags;
mod followed_files;
mod followed_topic;
mod health;
mod http;
mod identity;
mod instance_client;
mod limits;
mod log;
mod logging;
mod metrics;
mod needs;
mod pour;
mod read;
mod reload;
mod replay;
mod secrets;
mod server;
mod sole_writer;
mod stores;
mod token;
mod traces;
mod verify;
mod weights;
mod worker;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use millstream::Exit;
use millstream::broker::Broker;
use tikv_jemallocator::Jemalloc;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use cli::{
    Cdc, Cli, ClickHouse, Command, Feed, Replay, Schema, Serving, Topics, Topology, Weights,
};
use config::{Config, InForce};
use failed::Failed;
use http::feed_page::{self, FeedPage};
use identity::Role;
use logging::Logging;
use needs::Need;
use reload::{Reloading, Source};
use replay::Verb;
use server::{Roles, Server};

/// Rows that live for hours lie between those of one batch, and one thread frees what another took: the system's allocator
/// kept a fifth of the memory unused in this. RocksDB and librdkafka take theirs here too.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(exit, words)) => {
            // Standard error may be gone; the code still tells.
            let _ = writeln!(std::io::stderr(), "feedmill: {}", words.trim_end());
            ExitCode::from(u8::try_from(exit.code()).unwrap_or(1))
        }
    }
}

/// A worker keeps a dozen files open for each of its tasks, and more with every gigabyte: shells and service managers give a
/// process few of those that it may have.
const OPEN_FILES_ENOUGH: u64 = 8_192;

fn raise_open_files() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit >= OPEN_FILES_ENOUGH => {}
        Ok(limit) => tracing::warn!(
            limit,
            "few files may be open at a time; raise it (ulimit -Hn, LimitNOFILE) to {OPEN_FILES_ENOUGH} or more"
        ),
        Err(error) => tracing::warn!(%error, "how many files may be open is not known"),
    }
}

fn run(cli: Cli) -> Result<(), Failed> {
    let (config, following) = begin(&cli)?;
    if cli.print_config {
        return say(config.shown());
    }
    let Some(command) = cli.command else {
        let help = Cli::command().render_help();
        return Err(Failed(Exit::Usage, format!("no command was given\n\n{help}")));
    };
    match command {
        Command::Demo(asked) => Ok(demo::run(&asked, config, cluster)?),
        Command::Run(asked) => serve(config, following, (Roles::BOTH, page(asked))),
        Command::Worker => serve(config, following, (Roles::WORKER, None)),
        Command::Serve(asked) => serve(config, following, (Roles::API, page(asked))),
        Command::Load(asked) => load(&asked, &config),
        Command::Lab(asked) => say(&commands::lab::run(&asked)?),
        Command::Health(asked) => {
            say(&runtime()?.block_on(commands::health::ask(&config, asked.ready))?)
        }
        Command::Token(asked) => say(&signed(&config, &asked)?),
        Command::Topics(asked) => topics(&asked, &config),
        Command::Schema(asked) => schemas(&asked, &config),
        Command::ClickHouse(ClickHouse::Migrate { dry_run, unlock }) => {
            let migrated = commands::clickhouse::migrate(&config, dry_run, unlock);
            say(&runtime()?.block_on(migrated)?)
        }
        Command::Cdc(Cdc::Truncate(asked)) => {
            say(&commands::truncate::run(&*kafka(&config)?, &config, &asked)?)
        }
        Command::Dlq(asked) => dead_letters(&asked, &config),
        Command::Replay(asked) => replay(&asked, &config, following),
        Command::Verify(asked) => {
            let broker = kafka(&config)?;
            let verified = commands::verify::verify(&asked, &config, &*broker);
            conclude(runtime()?.block_on(verified)?)
        }
        Command::Doctor { json } => doctor(&config, json),
        Command::Topology(asked) => topology(&asked, &config),
        Command::Metrics(asked) => {
            say(&runtime()?.block_on(commands::metrics::show(&config, &asked))?)
        }
        Command::State(asked) => {
            let config = with_workers(config);
            runtime()?.block_on(commands::state::run(&config, &asked, say))
        }
        Command::Flags(asked) => {
            say(&commands::flags::run(&*kafka(&config)?, &config.app, &asked)?)
        }
        Command::Weights(asked) => weights(&asked, &config),
        Command::Generate(asked) => say(&commands::generate::generate(&asked)?),
        Command::Feed(Feed::Show { user, limit }) => {
            // Most feeds are of v1, for which nobody need be asked.
            let sets = || followed_topic::read(&*kafka(&config)?, &config.app);
            let shown = commands::show::show(&config, (user, limit), sets);
            say(&runtime()?.block_on(shown)?)
        }
        Command::Feed(Feed::Explain { user, post, json }) => {
            let config = with_workers(config);
            let explained = commands::explain::explain(&config, (user, post), json);
            say(&runtime()?.block_on(explained)?)
        }
        Command::Feed(Feed::Replay(asked)) => {
            say(&commands::replay::run(&*kafka(&config)?, &config, &asked)?)
        }
    }
}

/// What a process needs to follow its configuration.
type Following = (Source, Logging);

/// Reads what holds, and tells from then on what it says of that.
fn begin(cli: &Cli) -> Result<(Config, Following), Failed> {
    let needs = if cli.print_config { &[] } else { needs(cli.command.as_ref()) };
    let is_quiet = matches!(
        cli.command,
        Some(Command::Demo(_) | Command::Lab(_) | Command::Feed(Feed::Replay(_)))
    );
    let (source, logging) = (Source::new(cli.config.clone(), needs), Logging::new(is_quiet));
    let mut met = None;
    // To look for what it lacks opens clients, which may have something to tell.
    let config = source.read(|config| {
        logging.follow(&config.log);
        met = Some(config.clone());
    });
    let config = match cli.command {
        // A process that is well goes on by what it read before: a slip in its file must not have it killed.
        Some(Command::Health(_)) => config.or_else(|faults| met.ok_or(faults)),
        Some(_) | None => config,
    };
    let faulty = |faults| Failed(Exit::Usage, format!("the configuration is faulty\n{faults}"));
    Ok((config.map_err(faulty)?, (source, logging)))
}

/// A token, by the local key; the key pair is made if there is none.
fn signed(config: &Config, asked: &cli::Token) -> Result<String, String> {
    token::ensure_keys(&config.auth)?;
    let (mut auth, mut roles) = (config.auth.clone(), asked.roles.clone());
    if asked.admin {
        auth = auth.for_audience(&config.admin_audience);
        roles.push(Role::Admin.name().to_owned());
    }
    let token = token::sign(&auth, asked.user, &roles, asked.seconds)?;
    Ok(format!("{token}\n"))
}

/// A generated world, loaded or verified.
fn load(asked: &cli::Load, config: &Config) -> Result<(), Failed> {
    let (broker, live) = live(config)?;
    commands::load::run(asked, &live, &*broker)
}

/// Dead letters of the live application.
fn dead_letters(asked: &cli::Dlq, config: &Config) -> Result<(), Failed> {
    let (broker, live) = live(config)?;
    conclude(commands::dlq::run(&*broker, &live, asked)?)
}

/// Every server, asked how it is.
fn doctor(config: &Config, as_json: bool) -> Result<(), Failed> {
    let broker = kafka(config)?;
    let told = commands::doctor::tell(&*broker, config, as_json);
    let (told, failed) = runtime()?.block_on(told);
    say(&told)?;
    failed.map_or(Ok(()), Err)
}

/// The topology, described or planned.
fn topology(asked: &Topology, config: &Config) -> Result<(), Failed> {
    match *asked {
        Topology::Describe => say(&worker::describe(config)?),
        Topology::Plan { json } => {
            let (broker, live) = live(config)?;
            let (told, failed) = commands::topology::plan(&*broker, &live, json)?;
            say(&told)?;
            failed.map_or(Ok(()), Err)
        }
    }
}

/// A state rebuilt beside the live one.
fn replay(asked: &Replay, config: &Config, following: Following) -> Result<(), Failed> {
    use commands::rebuild;
    let broker = kafka(config)?;
    say(&match asked {
        Replay::Start(asked) => {
            let Some(rebuilt) = rebuild::begin(&broker, config, asked)? else { return Ok(()) };
            serve(rebuilt.clone(), following, (Roles::WORKER, None))?;
            return rebuild::end(&*broker, config, &rebuilt);
        }
        Replay::Status { json } => rebuild::status(&*broker, config, *json)?,
        Replay::Switch { anyway } => rebuild::switch(&*broker, config, *anyway)?,
        Replay::Back { anyway } => rebuild::back(&*broker, config, *anyway)?,
        Replay::Abort => rebuild::give_up(&*broker, config, Verb::Abort)?,
        Replay::Keep => rebuild::give_up(&*broker, config, Verb::Keep)?,
    })
}

/// Topics, created, checked, collected.
fn topics(asked: &Topics, config: &Config) -> Result<(), Failed> {
    let broker = kafka(config)?;
    match asked {
        Topics::Create => {
            let live = commands::workers::of_live(&*broker, config)?;
            say(&commands::topics::create_all(&*broker, &live)?)
        }
        Topics::Check(asked) => {
            let live = commands::workers::of_live(&*broker, config)?;
            let (told, failed) = commands::topics::check::check(&*broker, &live, asked)?;
            say(&told)?;
            failed.map_or(Ok(()), Err)
        }
        Topics::Gc(asked) => {
            let live = commands::workers::of_live(&*broker, config)?;
            say(&commands::topics::gc::collect(&*broker, &live, asked)?)
        }
    }
}

/// Schemas, listed, shown, checked, registered.
fn schemas(asked: &Schema, config: &Config) -> Result<(), Failed> {
    say(&match asked {
        Schema::List => commands::schema::list(config)?,
        Schema::Show(of) => commands::schema::show(&of.topic)?,
        Schema::Check(of) => commands::schema::check(config, of.file.as_deref())?,
        Schema::Register(of) => commands::schema::register(config, of.file.as_deref())?,
    })
}

/// Weight sets, asked about or put.
fn weights(asked: &Weights, config: &Config) -> Result<(), Failed> {
    let remembers_shown = config.remembers_shown;
    if let Weights::Check { file } = asked {
        return say(&commands::weights::check(file, remembers_shown)?);
    }
    let broker = kafka(config)?;
    let versions =
        commands::weights::Versions { broker: &*broker, app: &config.app, remembers_shown };
    say(&match asked {
        Weights::Check { file } | Weights::Put { file } => versions.put(file)?,
        Weights::List { json } => versions.list(*json)?,
        Weights::Rollback { to } => versions.roll_back(*to)?,
    })
}

/// What a command reads beside its configuration; the demo brings keys of its own.
fn needs(command: Option<&Command>) -> &'static [Need] {
    match command {
        Some(Command::Run(_) | Command::Serve(_)) => &[
            Need::Kafka,
            Need::Key,
            Need::Secret,
            Need::Certificate,
            Need::AdminSecret,
            Need::RegistryCa,
        ],
        Some(Command::Worker) => &[Need::Kafka, Need::Secret, Need::Certificate, Need::RegistryCa],
        Some(Command::Demo(_)) => &[Need::Secret, Need::Certificate],
        Some(Command::Token(_)) => &[Need::SigningKey],
        Some(Command::Load(asked)) if asked.verify > 0 => {
            &[Need::Kafka, Need::SigningKey, Need::Secret, Need::Certificate]
        }
        Some(Command::Replay(Replay::Start(_))) => {
            &[Need::Kafka, Need::Secret, Need::Certificate, Need::RegistryCa]
        }
        Some(
            Command::Load(_)
            | Command::Topics(_)
            | Command::Dlq(_)
            | Command::Flags(_)
            | Command::Replay(_),
        ) => &[Need::Kafka],
        Some(Command::Cdc(_) | Command::Feed(Feed::Replay(_))) => &[Need::Kafka, Need::RegistryCa],
        Some(Command::Feed(Feed::Show { .. })) => &[Need::Redis],
        Some(Command::Feed(Feed::Explain { .. }) | Command::State(_)) => {
            &[Need::Secret, Need::Certificate]
        }
        Some(Command::ClickHouse(_) | Command::Metrics(_)) => &[Need::ClickHouse],
        Some(Command::Verify(_)) => &[Need::Kafka, Need::Secret, Need::Certificate],
        Some(Command::Schema(Schema::Show(_))) => &[],
        Some(Command::Schema(Schema::List | Schema::Check(_) | Schema::Register(_))) => {
            &[Need::Registry, Need::RegistryCa]
        }
        Some(
            Command::Weights(Weights::Check { .. })
            | Command::Topology(Topology::Describe)
            | Command::Lab(_)
            | Command::Health(_)
            | Command::Generate(_),
        )
        | None => &[],
        Some(Command::Weights(_) | Command::Topology(Topology::Plan { .. })) => &[Need::Kafka],
        Some(Command::Doctor { .. }) => &[Need::Kafka, Need::RegistryCa],
    }
}

fn say(text: &str) -> Result<(), Failed> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|e| e.to_string().into())
}

/// Says what was found; what is not as it should be makes the code 1.
fn conclude((told, fault): (String, Option<String>)) -> Result<(), Failed> {
    say(&told)?;
    fault.map_or(Ok(()), |words| Err(Failed(Exit::Failed, words)))
}

fn runtime() -> Result<Runtime, String> {
    Runtime::new().map_err(|e| format!("runtime: {e}"))
}

/// The cluster, for a command.
fn kafka(config: &Config) -> Result<Arc<dyn Broker>, Failed> {
    cluster(config).map_err(|words| Failed(Exit::Usage, words))
}

/// The cluster, and the configuration of the live application.
fn live(config: &Config) -> Result<(Arc<dyn Broker>, Config), Failed> {
    let broker = kafka(config)?;
    let live = commands::workers::of_live(&*broker, config)?;
    Ok((broker, live))
}

/// Where nobody is named, with those who announce themselves, as far as Kafka tells.
fn with_workers(config: Config) -> Config {
    if !config.state.workers.is_empty() {
        return config;
    }
    let found = kafka(&config).and_then(|broker| commands::workers::found(&*broker, &config));
    found.unwrap_or(config)
}

#[cfg(feature = "kafka")]
fn cluster(config: &Config) -> Result<Arc<dyn Broker>, String> {
    use millstream::broker::kafka::{Kafka, KafkaSettings};
    let plan = config.worker.memory_plan();
    let settings = KafkaSettings {
        fetch_queue_bytes_max: plan.fetched,
        send_queue_bytes_max: plan.sending,
        overrides: config.kafka.client.clone(),
        ..KafkaSettings::new(config.kafka.bootstrap.as_str())
    };
    let kafka = Kafka::new(settings).map_err(|failure| failure.to_string())?;
    Ok(Arc::new(kafka))
}

#[cfg(not(feature = "kafka"))]
fn cluster(_config: &Config) -> Result<Arc<dyn Broker>, String> {
    Err("this build has no Kafka client".to_owned())
}

fn page(asked: Serving) -> Option<FeedPage> {
    asked.page.then(FeedPage::default)
}

/// Runs until the process is told to stop, or the engine ends by itself.
fn serve(
    config: Config,
    (source, logging): Following,
    (roles, page): (Roles, Option<FeedPage>),
) -> Result<(), Failed> {
    let broker = kafka(&config)?;
    if roles.api {
        token::ensure_keys(&config.auth)?;
    }
    raise_open_files();
    traces::start(config.traces.as_ref())?;
    let has_page = page.is_some();
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        if roles.worker && config.redis.is_none() {
            tracing::warn!("redis.url is not set: feeds are ranked, but not pushed");
        }
        let mut asked = Asked::listen().map_err(|e| e.to_string())?;
        let in_force = InForce::new(config);
        let reloading = Reloading::new(source, in_force.clone(), logging).map_err(|e| e.to_string())?;
        let mut server = tokio::select! {
            started = Server::start(in_force, broker, roles, page) => started?,
            // What is under way asks much of the cluster, and none of it need be undone.
            () = asked.wait() => return Ok(()),
        };
        server.follow(reloading);
        let [public, admin] = [server.public, server.admin].map(|at| at.map(tracing::field::display));
        tracing::info!(public, admin, internal = %server.internal, "serving");
        if let Some(public) = server.public.filter(|_| has_page) {
            tracing::info!(url = %format!("http://{public}{}", feed_page::PATH), "feeds can be watched");
        }
        until_stopped(&server, asked).await;
        Ok(server.stop().await?)
    });
    // What still waits for a server is not waited for.
    runtime.shutdown_background();
    traces::stop();
    served
}

/// The signals by which a process is asked to stop; they are listened for from before anything starts.
struct Asked {
    terminate: Signal,
    interrupt: Signal,
}

impl Asked {
    fn listen() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn until_stopped(server: &Server, mut asked: Asked) {
    while server.is_running() {
        tokio::select! {
            () = asked.wait() => return,
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
    }
}
