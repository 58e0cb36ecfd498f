//! Where tensors are computed: the CPU, or a GPU that has answered.

use std::fmt;
use std::str::FromStr;

use candle_core::{Device, DeviceLocation, Tensor};

/// Which device is asked for: `auto`, `cpu` or `cuda:N`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// GPU 0 where this binary can compute on one and it answers, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this number, from 0.
    Cuda(usize),
}

/// A device that has computed.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The device.
    pub device: Device,
    /// Why it is the CPU where a GPU would have been taken.
    pub why_no_gpu: Option<NoGpu>,
}

/// Why a GPU cannot be computed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoGpu {
    /// The binary has no code for it.
    #[error("this binary was built without --features cuda")]
    NotBuilt,
    /// A library that CUDA needs is not on this machine.
    #[error("{library} is not on this machine")]
    NoLibrary {
        /// What is missing.
        library: &'static str,
    },
    /// The driver or the device refused.
    #[error("GPU {ordinal} does not answer: {problem}")]
    NoAnswer {
        /// Its number, from 0.
        ordinal: usize,
        /// What it says.
        problem: String,
    },
}

/// Not a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of auto, cpu, cuda:N")]
pub struct UnknownDevice(String);

impl FromStr for DeviceChoice {
    type Err = UnknownDevice;

    fn from_str(text: &str) -> Result<Self, UnknownDevice> {
        let unknown = || UnknownDevice(text.to_owned());
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            _ => {
                let ordinal = text.strip_prefix("cuda:").ok_or_else(unknown)?;
                Ok(Self::Cuda(ordinal.parse().map_err(|_| unknown())?))
            }
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
        }
    }
}

impl DeviceChoice {
    /// The device, after it has answered.
    ///
    /// # Errors
    /// When a GPU was asked for by its number and cannot be computed on.
    pub fn open(self) -> Result<Opened, NoGpu> {
        let cpu = |why_no_gpu| Opened { device: Device::Cpu, why_no_gpu };
        let gpu = |device| Opened { device, why_no_gpu: None };
        match self {
            Self::Cpu => Ok(cpu(None)),
            Self::Cuda(ordinal) => open_gpu(ordinal).map(gpu),
            Self::Auto => Ok(open_gpu(0).map_or_else(|why| cpu(Some(why)), gpu)),
        }
    }
}

/// Has the device add up some numbers: a GPU that was lost, or that a fault has stopped, does not answer any more.
///
/// # Errors
/// When it fails, or its sum is wrong.
pub fn check_answer(device: &Device) -> candle_core::Result<()> {
    let sum: f32 = Tensor::arange(0_f32, 100.0, device)?.sum_all()?.to_scalar()?;
    // Of whole numbers, and so exact.
    if (sum - 4950.0).abs() < 0.5 {
        Ok(())
    } else {
        candle_core::bail!("it adds the numbers up to 99 to {sum}")
    }
}

/// The same device for another thread: on a GPU a stream of its own, so that neither waits for the other.
///
/// # Errors
/// When the GPU gives no stream.
pub fn for_another_thread(device: &Device) -> candle_core::Result<Device> {
    match device.location() {
        DeviceLocation::Cuda { gpu_id } => Device::new_cuda_with_stream(gpu_id),
        DeviceLocation::Cpu | DeviceLocation::Metal { .. } => Ok(device.clone()),
    }
}

#[cfg(not(feature = "cuda"))]
fn open_gpu(_: usize) -> Result<Device, NoGpu> {
    Err(NoGpu::NotBuilt)
}

#[cfg(feature = "cuda")]
use self::cuda::open_gpu;

#[cfg(feature = "cuda")]
mod cuda {
    use std::panic;

    use candle_core::Device;
    use candle_core::cuda_backend::cudarc::{cublas, curand, driver};

    use super::{NoGpu, check_answer};

    /// candle panics where a library is missing, which is why they are looked for first.
    pub fn open_gpu(ordinal: usize) -> Result<Device, NoGpu> {
        #[expect(unsafe_code, reason = "loads libraries by name, as candle would")]
        let libraries = unsafe {
            [
                ("libcuda, the NVIDIA driver,", driver::sys::is_culib_present()),
                ("libcublas", cublas::sys::is_culib_present()),
                ("libcurand", curand::sys::is_culib_present()),
            ]
        };
        if let Some((library, _)) = libraries.into_iter().find(|(_, is_present)| !is_present) {
            return Err(NoGpu::NoLibrary { library });
        }
        let no_answer = |problem: String| NoGpu::NoAnswer { ordinal, problem };
        // Whatever else it may panic about is an answer too, and no backtrace in the log.
        let hook = panic::take_hook();
        panic::set_hook(Box::new(|_| {}));
        let answered = panic::catch_unwind(|| answering(ordinal));
        panic::set_hook(hook);
        match answered {
            Ok(Ok(device)) => Ok(device),
            Ok(Err(error)) => Err(no_answer(error.to_string().lines().next().unwrap_or_default().to_owned())),
            Err(panic) => {
                let message = panic.downcast_ref::<String>().map(String::as_str);
                let message = message.or(panic.downcast_ref::<&str>().copied());
                Err(no_answer(message.unwrap_or("opening it panicked").to_owned()))
            }
        }
    }

    /// One stream for all threads.
    fn answering(ordinal: usize) -> candle_core::Result<Device> {
        let device = Device::new_cuda_with_stream(ordinal)?;
        check_answer(&device)?;
        Ok(device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written() {
        for choice in [DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Cuda(3)] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        for wrong in ["", "gpu", "cuda:", "cuda:-1", "cuda:one"] {
            assert!(wrong.parse::<DeviceChoice>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_cpu_answers() {
        check_answer(&Device::Cpu).expect("a sum");
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn without_cuda_the_cpu_says_why_it_computes() {
        let opened = DeviceChoice::Auto.open().expect("the CPU");
        assert!(opened.device.is_cpu());
        assert_eq!(opened.why_no_gpu, Some(NoGpu::NotBuilt));
        assert_eq!(DeviceChoice::Cuda(0).open().unwrap_err(), NoGpu::NotBuilt);
    }
}
