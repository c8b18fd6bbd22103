//! The command line: arguments become a configuration, the configuration a server, its end an exit code.

use clap::{Args, Parser, Subcommand};
use evertick::bots;
use evertick::config::{Config, FILE, Sources};
use evertick::games::{connect4, eternity};
use evertick::http::Page;
use evertick::packet::Encoding;
use evertick::server::{Server, Settings};
use evertick::{config, logging, storage, web};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// An authoritative multiplayer game server in one binary.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Settings come from evertick.toml, then EVERTICK_<KEY>, then flags. Start it and open the address it prints."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (the default).
    Serve(Box<Serve>),
    /// Load a server with guests who walk and chat, and print what they saw.
    Bots(Bots),
    /// Copy the database into a new file; the server may be running.
    Backup(Backup),
    /// Check a database and count what is in it; the server may be running.
    Check(Check),
}

/// The copy is as the database was at one moment, and is checked before it gets its name.
#[derive(Debug, Args)]
#[command(after_help = "To restore it, put it into an empty data folder as evertick.db.")]
struct Backup {
    /// The copy; no file may have that name
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Folder of the database [default: as the server's settings say]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Read settings from this file [default: evertick.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Reads all of it and changes nothing.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 0: sound. 1: damaged, and the lines say where. 2: it cannot be read at all."
)]
struct Check {
    /// Folder of the database
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Guests who walk and chat.
///
/// They come in one after the other; once all are in the world the measuring begins. At the end a table stands on
/// standard output, with progress on standard error before it.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 0: all came in and stayed, every batch came in order, and the server was there to the end. 1: not \
    so, and standard error says why. 2: there is no report, for the arguments are wrong, nobody answers at the URL, or this machine has not \
    what the bots need (open files). Ctrl-C or SIGTERM ends the measuring, and the bots leave as ever; a second one exits \
    at once, with 1.\n\nA server with its usual limits takes 16 connections from one \
    address, 10 new ones a second; for a load test start it with\n  evertick --max-players 6000 --max-connections 8000 \
    --max-connections-per-ip 0 --connect-rate 0 --spawn spread"
)]
struct Bots {
    /// The server
    #[arg(long, value_name = "ws://HOST:PORT/PATH", default_value = "ws://127.0.0.1:8080/ws")]
    url: String,
    /// How many guests
    #[arg(long, value_name = "N", default_value_t = 100, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// How long to measure, once all are in
    #[arg(long, value_name = "S", default_value_t = 10, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Steps a second that each takes; 0: all stand
    #[arg(long, value_name = "HZ", default_value_t = 10, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(0..=50))]
    move_rate: u32,
    /// How packets are written
    #[arg(long, value_name = "json|postcard", default_value = "json", value_parser = ["json", "postcard"])]
    encoding: String,
    /// Keep to the region of 32 x 32 units that each came in by
    #[arg(long)]
    stay: bool,
    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,
}

/// What the server is started with; every flag stands for the key of the same name.
#[derive(Debug, Default, Args)]
struct Serve {
    /// Read settings from this file [default: evertick.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen here; port 0 picks a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Folder of the database [default: data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// off, error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Connections at once [default: 4096]
    #[arg(long, value_name = "N")]
    max_connections: Option<String>,
    /// Connections at once from one address, 0 is no limit [default: 16]
    #[arg(long, value_name = "N")]
    max_connections_per_ip: Option<String>,
    /// Players at once [default: 1000]
    #[arg(long, value_name = "N")]
    max_players: Option<String>,
    /// New connections a second from one address, 0 is no limit [default: 10]
    #[arg(long, value_name = "N")]
    connect_rate: Option<String>,
    /// Ticks a second, 1 to 128 [default: 20]
    #[arg(long, value_name = "HZ")]
    tick_rate: Option<String>,
    /// Whether guests may play [default: true]
    #[arg(long, value_name = "true|false")]
    guests: Option<String>,
    /// Where newcomers appear [default: start]
    #[arg(long, value_name = "start|spread")]
    spawn: Option<String>,
    /// Check the settings and the world file, then exit
    #[arg(long)]
    check_config: bool,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and the version are no mistakes: clap prints them and ends with 0.
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            eprintln!("evertick: {}", one_line(&error.to_string()));
            return ExitCode::from(2);
        }
    };
    let outcome = match cli.command {
        Some(Command::Bots(bots)) => load(&bots),
        Some(Command::Backup(backup)) => copy(backup).map(|()| ExitCode::SUCCESS),
        Some(Command::Check(check)) => inspect(&check),
        Some(Command::Serve(serve)) => run(&serve).map(|()| ExitCode::SUCCESS),
        None => run(&cli.serve).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|message| {
        eprintln!("evertick: {message}");
        ExitCode::from(2)
    })
}

/// What is wrong with the arguments, as clap says it over several lines, in one: the complaint and its tips, without the
/// usage.
fn one_line(complaint: &str) -> String {
    let parts = complaint.split("\n\n").enumerate();
    let said = parts.filter(|(at, part)| *at == 0 || part.trim_start().starts_with("tip:"));
    let words =
        said.flat_map(|(at, part)| (at > 0).then_some(";").into_iter().chain(part.split_whitespace()));
    let line = words.collect::<Vec<_>>().join(" ").replace(" ;", ";");
    format!("{}; --help tells more", line.strip_prefix("error: ").unwrap_or(&line))
}

/// Runs the bots to their end. `Err` is the one line that says why they did not begin.
fn load(args: &Bots) -> Result<ExitCode, String> {
    let settings = bots::Settings {
        url: args.url.clone(),
        count: args.count,
        seconds: args.seconds,
        move_rate: args.move_rate,
        encoding: if args.encoding == "json" { Encoding::Json } else { Encoding::Postcard },
        stay: args.stay,
    };
    let stop = bots::stop_on_signals().map_err(|error| error.to_string())?;
    let report = bots::run(&settings, &stop, &mut |line| eprintln!("{line}"));
    let report = report.map_err(|error| error.to_string())?;
    let told = match args.json {
        true => serde_json::to_string(&report).map_err(|error| error.to_string())? + "\n",
        false => report.to_string(),
    };
    // Where nobody reads the table, the exit code still tells.
    let _ = std::io::stdout().write_all(told.as_bytes());
    for line in [report.bottleneck(), report.remedy()].into_iter().flatten() {
        eprintln!("evertick: {line}");
    }
    Ok(match report.failure() {
        None => ExitCode::SUCCESS,
        Some(why) => {
            eprintln!("evertick: {why}");
            ExitCode::FAILURE
        }
    })
}

/// Copies the database. `Err` is the one line that says why there is no copy.
fn copy(args: Backup) -> Result<(), String> {
    let serve = Serve { config: args.config, data_dir: args.data_dir, ..Serve::default() };
    let config = configure(&serve).map_err(|error| error.to_string())?;
    let bytes = storage::backup(&config.data_dir, &args.file).map_err(|error| error.to_string())?;
    // Nobody may be reading; the exit code says it too.
    let _ = writeln!(std::io::stdout(), "{}: {bytes} bytes", args.file.display());
    Ok(())
}

/// Checks a database. `Err` is the one line that says why it could not be read.
fn inspect(args: &Check) -> Result<ExitCode, String> {
    let checked = storage::check(&args.dir).map_err(|error| error.to_string())?;
    let _ = write!(std::io::stdout(), "{checked}");
    Ok(if checked.damage.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the server to its end. `Err` is the one line that says why it did not start.
fn run(serve: &Serve) -> Result<(), String> {
    let config = configure(serve).map_err(|error| error.to_string())?;
    let game = world(&config)?;
    if serve.check_config {
        // Nobody may be reading; the exit code says it too.
        let _ = writeln!(std::io::stdout(), "the configuration is valid");
        return Ok(());
    }
    let (log_level, log_file) = (config.log_level, config.log_file);
    let connections = config.engine.registry.max_connections;
    let settings = Settings {
        listen: config.listen,
        shutdown_grace: config.shutdown_grace,
        data_dir: Some(config.data_dir),
        hashing: storage::Cost { memory_kib: config.hash_memory_kib, passes: config.hash_passes },
        net: config.net,
        engine: config.engine,
        ..Settings::default()
    };
    let server = Server::new(settings).game("/ws", game).game("/ws/connect4", connect4(config.resume_grace));
    let server = web::assets()
        .iter()
        .fold(server, |server, asset| server.page(Page::new(asset.path, asset.content_type, asset.body)));
    // The port first: where it is taken, nothing else has been touched.
    let bound = server.bind().map_err(|error| error.to_string())?;
    let _log = logging::start(log_level, log_file.as_deref())
        .map_err(|error| format!("log_file {}: {error}", show(log_file.as_deref())))?;
    raise_descriptor_limit(connections);
    bound.serve().map_err(|error| error.to_string())
}

fn configure(serve: &Serve) -> Result<Config, config::ConfigError> {
    let mut sources = Sources::default();
    match &serve.config {
        Some(path) => sources.read_file(path)?,
        None if Path::new(FILE).exists() => sources.read_file(Path::new(FILE))?,
        None => {}
    }
    // What is not Unicode becomes what no setting accepts, and is told so where it is one of ours.
    let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
    let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
    sources.read_environment(variables)?;
    let flags = [
        ("listen", &serve.listen),
        ("data_dir", &serve.data_dir),
        ("log_level", &serve.log_level),
        ("max_connections", &serve.max_connections),
        ("max_connections_per_ip", &serve.max_connections_per_ip),
        ("max_players", &serve.max_players),
        ("connect_rate", &serve.connect_rate),
        ("tick_rate", &serve.tick_rate),
        ("guests", &serve.guests),
        ("spawn", &serve.spawn),
    ];
    for (name, value) in flags {
        if let Some(value) = value {
            sources.set_flag(name, value.as_str());
        }
    }
    Config::read(&sources)
}

/// The built-in game on the world that is configured.
fn world(config: &Config) -> Result<eternity::Eternity, String> {
    let world = match &config.world {
        None => eternity::World::built_in(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| format!("world {}: {e}", path.display()))?;
            eternity::World::parse(&text).map_err(|error| format!("world {}: {error}", path.display()))?
        }
    };
    let mut settings = eternity::Settings::default();
    settings.world = world;
    settings.spawn = match config.spawn {
        config::Spawn::Start => eternity::Spawn::Start,
        config::Spawn::Spread => eternity::Spawn::Spread,
    };
    Ok(eternity::Eternity::new(settings))
}

/// The second game, as it is configured.
fn connect4(resume_grace: Duration) -> connect4::Connect4 {
    let mut settings = connect4::Settings::default();
    settings.resume_grace = resume_grace;
    connect4::Connect4::new(settings)
}

/// Lets the process open as many files as its connections need, as far as the system allows.
fn raise_descriptor_limit(connections: usize) {
    const OTHERS: u64 = 64;
    let wanted = connections as u64 + OTHERS;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(limit) if limit < wanted => {
            log::warn!("the system allows {limit} open files: fewer connections than max_connections fit");
        }
        Ok(_) => {}
        Err(error) => log::warn!("the limit of open files cannot be raised: {error}"),
    }
}

fn show(path: Option<&Path>) -> String {
    path.map_or(String::new(), |path| path.display().to_string())
}
