//! The binary, run as people run it.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::time;

use crate::service::TASK;

const ANY_PORT: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

/// Where it is.
#[derive(Clone, Debug)]
pub struct Tagates {
    path: PathBuf,
}

impl Tagates {
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Starts an import into a server.
    pub fn import(&self, server: &Server, file: &Path, flags: &[&str]) -> anyhow::Result<Running> {
        let file = file.to_str().context("a path in UTF-8")?;
        let mut command = self.command(&["import", file, "--task", TASK, "--server", &server.url()]);
        Running::start(command.args(flags).stdout(Stdio::piped()).stderr(Stdio::null()))
    }

    /// What the binary prints with these arguments.
    pub fn output(&self, arguments: &[impl AsRef<OsStr>]) -> anyhow::Result<String> {
        let output = self.command(arguments).stderr(Stdio::piped()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "it ended with {}: {said}", output.status);
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The binary with these arguments.
    pub fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(arguments);
        command
    }

    /// Starts a server on a free port that leaves training to others. It listens when this returns.
    pub fn serve(&self, flags: &[String]) -> anyhow::Result<Server> {
        self.serve_at(ANY_PORT, &[&["--training".to_owned(), "off".to_owned()], flags].concat())
    }

    /// Starts a server on a free port that trains. It listens when this returns.
    pub fn serve_and_train(&self, flags: &[String]) -> anyhow::Result<Server> {
        self.serve_at(ANY_PORT, flags)
    }

    fn serve_at(&self, addr: SocketAddr, flags: &[String]) -> anyhow::Result<Server> {
        let addr_text = addr.to_string();
        let mut command = self.command(&["serve", "--listen", &addr_text]);
        let mut process = Running::start(command.args(flags).stderr(Stdio::piped()))?;
        let log = BufReader::new(process.0.stderr.take().context("it is piped")?);
        let mut server = Server { tagates: self.clone(), flags: flags.to_vec(), process, addr };
        let mut lines = log.lines().map_while(Result::ok);
        let mut said = Vec::new();
        for line in &mut lines {
            if let Some((_, addr)) = line.split_once("listening addr=") {
                server.addr = addr.trim().parse().context("the address in the log")?;
                // Read on, so that the server never waits for its log to be read.
                thread::spawn(move || lines.for_each(drop));
                return Ok(server);
            }
            said.push(line);
        }
        bail!("the server did not start: {}", said.join("\n"));
    }
}

/// A server.
#[derive(Debug)]
pub struct Server {
    tagates: Tagates,
    flags: Vec<String>,
    process: Running,
    addr: SocketAddr,
}

impl Server {
    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The most memory it ever had, in KiB.
    pub fn peak_memory_kib(&self) -> anyhow::Result<u64> {
        self.process.peak_memory_kib()
    }

    /// The memory it has, in KiB.
    pub fn memory_kib(&self) -> anyhow::Result<u64> {
        self.process.status_kib("VmRSS:")
    }

    /// Ends it with SIGKILL, and starts it again at the same address.
    pub fn kill_and_start_again(self) -> anyhow::Result<Self> {
        drop(self.process);
        self.tagates.serve_at(self.addr, &self.flags)
    }

    /// Ends it with SIGTERM.
    pub fn stop(self) -> anyhow::Result<()> {
        self.process.stop()
    }
}

/// A process, killed when this is dropped.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Starts it.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let started = command.spawn();
        Ok(Self(started.with_context(|| format!("could not start {}", command.get_program().display()))?))
    }

    /// Whether it has not ended yet.
    pub fn goes_on(&mut self) -> anyhow::Result<bool> {
        Ok(self.0.try_wait()?.is_none())
    }

    /// The most memory it ever had, in KiB.
    pub fn peak_memory_kib(&self) -> anyhow::Result<u64> {
        self.status_kib("VmHWM:")
    }

    /// A size that the system knows of it.
    fn status_kib(&self, name: &str) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let size = status.lines().find_map(|line| line.strip_prefix(name));
        let size = size.with_context(|| format!("no {name}"))?;
        Ok(size.trim().trim_end_matches(" kB").parse()?)
    }

    /// Ends it with SIGTERM.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let sent = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status()?;
        ensure!(sent.success(), "SIGTERM could not be sent");
        let ended = self.0.wait()?;
        ensure!(ended.success(), "it ended with {ended}");
        Ok(())
    }

    /// Waits until it has ended well: the most memory it had, in KiB, and what it printed, which must be
    /// short.
    pub async fn finish(mut self) -> anyhow::Result<(u64, String)> {
        let mut peak_kib = 0;
        while self.goes_on()? {
            // The number only grows, and is gone when the process has ended.
            peak_kib = self.peak_memory_kib().unwrap_or(peak_kib);
            time::sleep(Duration::from_millis(5)).await;
        }
        let mut said = String::new();
        self.0.stdout.take().context("it is piped")?.read_to_string(&mut said)?;
        let ended = self.0.wait()?;
        ensure!(ended.success(), "it ended with {ended}: {said}");
        Ok((peak_kib, said))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
