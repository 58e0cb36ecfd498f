//! Feeds changed texts to every parser of architectures and of search spaces, at length: none may panic, hang or
//! allocate without measure, and what is accepted must be as promised. `scripts/fuzz-notations` runs it.

mod allocator;
mod mutation;
mod target;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{panic, process, thread};

use clap::Parser;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::allocator::Counting;
use crate::mutation::Mutator;
use crate::target::{Target, WORDS};

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

/// Bytes that reading a text may allocate at once.
const MAX_READ_BYTES: usize = 8 << 20;
/// Bytes that all that is done with an accepted text may allocate at once: two architectures of a space drawn.
const MAX_CHECK_BYTES: usize = 8 << 20;
/// For one text and all that is done with it. Generous: the machine may be busy with other things.
const MAX_TIME: Duration = Duration::from_secs(5);

/// The text that is being read, for whoever panics.
static CURRENT: Mutex<String> = Mutex::new(String::new());

/// Texts that are done with, for whoever waits in vain for the next.
static N_DONE: AtomicU64 = AtomicU64::new(0);

#[derive(Parser)]
struct Arguments {
    /// Seconds for each target.
    #[arg(default_value_t = 600)]
    seconds: u64,
    /// Only targets with this in their name.
    #[arg(long, default_value = "")]
    only: String,
    /// Draws the texts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What was seen of a target.
#[derive(Default)]
struct Seen {
    n_texts: u64,
    n_accepted: u64,
    read_bytes: usize,
    check_bytes: usize,
    slowest: Duration,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    print_text_on_panic();
    thread::spawn(end_where_nothing_happens);
    for target in Target::all()?.iter().filter(|target| target.name().contains(&arguments.only)) {
        let seen = fuzz(target, &arguments)?;
        println!(
            "{}: {} texts, {} accepted; peak of {} KiB to read one, {} KiB for all else; slowest {} ms",
            target.name(),
            seen.n_texts,
            seen.n_accepted,
            seen.read_bytes.div_ceil(1_024),
            seen.check_bytes.div_ceil(1_024),
            seen.slowest.as_millis(),
        );
    }
    Ok(())
}

fn fuzz(target: &Target, arguments: &Arguments) -> anyhow::Result<Seen> {
    let mut rng = ChaCha8Rng::seed_from_u64(arguments.seed);
    let seeds = target.seeds()?;
    let mut mutator = Mutator::new(&seeds, &WORDS);
    let mut seen = Seen::default();
    for seed in seeds {
        assert!(one(target, seed, &mut seen).is_some(), "the seeds of {} are accepted", target.name());
    }
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    while Instant::now() < end {
        if let Some(accepted) = one(target, mutator.text(&mut rng), &mut seen) {
            mutator.keep(&accepted, &mut rng);
        }
    }
    Ok(seen)
}

/// Reads a text and checks what it is; gives it back where it is accepted.
fn one(target: &Target, text: String, seen: &mut Seen) -> Option<String> {
    CURRENT.lock().expect("nothing panics while it holds the text").clone_from(&text);
    let start = Instant::now();
    let (read, n_bytes) = ALLOCATOR.peak_of(|| target.read(&text));
    assert!(n_bytes <= MAX_READ_BYTES, "{n_bytes} bytes to read a text");
    let is_accepted = read.is_some();
    let ((), n_check_bytes) = ALLOCATOR.peak_of(|| read.into_iter().for_each(target::Read::check));
    assert!(n_check_bytes <= MAX_CHECK_BYTES, "{n_check_bytes} bytes for what a text is");
    let time = start.elapsed();
    assert!(time <= MAX_TIME, "{time:?} for a text");
    N_DONE.fetch_add(1, Ordering::Relaxed);
    seen.n_texts += 1;
    seen.n_accepted += u64::from(is_accepted);
    seen.read_bytes = seen.read_bytes.max(n_bytes);
    seen.check_bytes = seen.check_bytes.max(n_check_bytes);
    seen.slowest = seen.slowest.max(time);
    is_accepted.then_some(text)
}

fn print_text_on_panic() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if let Ok(text) = CURRENT.try_lock() {
            eprintln!("the text is {:?}", *text);
        }
        usual(info);
    }));
}

/// For a text that is never done with. Allocates nothing before it ends the process.
fn end_where_nothing_happens() {
    let mut n_before = u64::MAX;
    loop {
        let n_done = N_DONE.load(Ordering::Relaxed);
        if n_done == n_before {
            let text = CURRENT.lock().expect("nothing panics while it holds the text");
            eprintln!("no end within {MAX_TIME:?} or twice that of the text {:?}", *text);
            process::exit(101);
        }
        n_before = n_done;
        thread::sleep(2 * MAX_TIME);
    }
}
