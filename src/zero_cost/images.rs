//! The images of a mini-batch: noise, or those of a folder.

use std::io;
use std::path::{Path, PathBuf};

use image::imageops::{self, FilterType};
use image::{ImageError, RgbImage};
use rand::{Rng, seq};
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use crate::zero_cost::network::N_COLOURS;

/// Where images come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Images {
    /// Each pixel is drawn by itself.
    #[default]
    Noise,
    /// PNG and JPEG files in this folder and those below it, as many as the mini-batch takes, chosen by the seed. A
    /// relative path is from where the process was started.
    Folder(PathBuf),
}

impl Images {
    pub(in crate::zero_cost) fn is_noise(&self) -> bool {
        *self == Self::Noise
    }
}

/// Why a folder gives no images.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// It cannot be listed.
    #[error("folder {} cannot be read (images.folder)", folder.display())]
    Folder {
        /// The folder, or one below it.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It has not enough files.
    #[error(
        "folder {} has {n_found} PNG or JPEG files, fewer than the {n_images} of n_images (images.folder)",
        folder.display()
    )]
    TooFew {
        /// The folder.
        folder: PathBuf,
        /// How many it has.
        n_found: usize,
        /// How many are needed.
        n_images: usize,
    },
    /// A file that is no image.
    #[error("image {} cannot be read (images.folder)", file.display())]
    Image {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: ImageError,
    },
}

/// Images that were chosen, cut to squares of the wanted side.
#[derive(Debug)]
pub(in crate::zero_cost) struct Chosen {
    images: Vec<RgbImage>,
}

impl Chosen {
    /// Chooses `n_images` different files of a folder by `rng`.
    pub fn of(folder: &Path, n_images: usize, side: usize, rng: &mut impl Rng) -> Result<Self, ImagesError> {
        let files = list(folder)?;
        if files.len() < n_images {
            let n_found = files.len();
            return Err(ImagesError::TooFew { folder: folder.to_owned(), n_found, n_images });
        }
        let chosen = seq::index::sample(rng, files.len(), n_images);
        let images = chosen.into_iter().map(|index| read(&files[index], side as u32));
        Ok(Self { images: images.collect::<Result<_, _>>()? })
    }

    /// All bytes of them, one image after the other.
    pub fn bytes(&self) -> Vec<u8> {
        self.images.iter().flat_map(RgbImage::as_raw).copied().collect()
    }

    /// Numbers of mean zero and variance one for each colour: `[colours, images, side, side]`, row by row.
    pub fn standardised(&self) -> Vec<f32> {
        let of_colour = |colour: usize| {
            let pixels = self.images.iter().flat_map(|image| image.pixels());
            let values: Vec<f64> = pixels.map(|pixel| f64::from(pixel.0[colour])).collect();
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
            // Where all are of one brightness nothing is to be seen, and nothing enlarged.
            values.into_iter().map(move |value| ((value - mean) / deviation.max(1.0)) as f32)
        };
        (0..N_COLOURS).flat_map(of_colour).collect()
    }
}

/// The image files of a folder and of those below it, by name.
fn list(folder: &Path) -> Result<Vec<PathBuf>, ImagesError> {
    let mut files = Vec::new();
    for entry in WalkDir::new(folder).follow_links(true) {
        let entry = entry.map_err(|error| ImagesError::Folder {
            folder: error.path().unwrap_or(folder).to_owned(),
            source: error.into(),
        })?;
        if entry.file_type().is_file() && is_image(entry.path()) {
            files.push(entry.into_path());
        }
    }
    // The system lists them in any order.
    files.sort();
    Ok(files)
}

fn is_image(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    matches!(ending.as_deref(), Some("png" | "jpg" | "jpeg"))
}

/// The middle of an image, as large a square as there is, at the wanted side.
fn read(file: &Path, side: u32) -> Result<RgbImage, ImagesError> {
    let decoded = image::open(file);
    let image = decoded.map_err(|source| ImagesError::Image { file: file.to_owned(), source })?.to_rgb8();
    let square = image.width().min(image.height());
    let (left, top) = ((image.width() - square) / 2, (image.height() - square) / 2);
    let cut = imageops::crop_imm(&image, left, top, square, square).to_image();
    Ok(if square == side { cut } else { imageops::resize(&cut, side, side, FilterType::Triangle) })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::Rgb;
    use rand::SeedableRng;

    use super::*;
    use crate::space::nasbench201;
    use crate::zero_cost::{Error, Measurer, Proxy, Size};

    fn proxy(folder: &Path) -> Proxy {
        let size = Size { channels: 6, cells_per_stage: 1 };
        let images = Images::Folder(folder.to_owned());
        let small = Proxy::named("small").expect("built in");
        Proxy { images, n_images: 4, image_side: 8, nasbench201: size, ..small }
    }

    /// So many images of different sizes, every other one in a folder below.
    fn folder(n_images: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("below")).expect("a writable folder");
        fs::write(folder.path().join("labels.txt"), "cat").expect("a writable folder");
        for number in 0..n_images {
            let pixel =
                |x: u32, y: u32| Rgb([x * 20, y * 10 + number, (x + y) * (number + 1)].map(|it| it as u8));
            let image = RgbImage::from_fn(8 + number, 12, pixel);
            let name = if number % 2 == 0 { format!("{number}.PNG") } else { format!("below/{number}.jpg") };
            image.save(folder.path().join(name)).expect("a writable folder");
        }
        folder
    }

    #[test]
    fn images_of_a_folder_are_chosen_by_the_seed_and_known_by_their_content() {
        let (one, same, other) = (folder(8), folder(8), folder(9));
        let measurer = |folder: &tempfile::TempDir, seed| {
            Measurer::new("mine", proxy(folder.path()), seed).expect("images")
        };
        let origin = |folder, seed| measurer(folder, seed).origin().clone();
        assert!(origin(&one, 0).is_same(&origin(&same, 0)), "wherever the folder is");
        assert_ne!(origin(&one, 0).digest, origin(&other, 0).digest);
        assert_ne!(origin(&one, 0).digest, origin(&one, 1).digest);
        let noise = Proxy { images: Images::Noise, ..proxy(one.path()) };
        let noise = Measurer::new("mine", noise, 0).expect("noise");
        assert_ne!(origin(&one, 0).digest, noise.origin().digest);
        let cell = &nasbench201().sample(1, 2)[0];
        let network = |measurer: &Measurer| measurer.measure(cell).expect("a known network").network;
        assert_eq!(network(&measurer(&one, 0)), network(&measurer(&same, 0)));
        assert_ne!(network(&measurer(&one, 0)), network(&noise));
    }

    #[test]
    fn images_have_mean_zero_and_variance_one() {
        let folder = folder(6);
        let mut rng = rand_chacha::ChaCha8Rng::from_seed([1; 32]);
        let values = Chosen::of(folder.path(), 6, 8, &mut rng).expect("images").standardised();
        assert_eq!(values.len(), N_COLOURS * 6 * 8 * 8);
        for colour in values.chunks(6 * 8 * 8) {
            let mean = colour.iter().sum::<f32>() / colour.len() as f32;
            let variance = colour.iter().map(|value| value * value).sum::<f32>() / colour.len() as f32;
            assert!(mean.abs() < 1e-3 && (variance - 1.0).abs() < 1e-2, "{mean}, {variance}");
        }
    }

    #[test]
    fn a_folder_without_enough_images_or_none_at_all_is_named_with_its_setting() {
        let few = folder(3);
        let refused = |folder: &Path| match Measurer::new("mine", proxy(folder), 0) {
            Err(Error::Images(error)) => error.to_string(),
            other => panic!("{other:?}"),
        };
        let message = refused(few.path());
        assert!(
            message.ends_with("has 3 PNG or JPEG files, fewer than the 4 of n_images (images.folder)"),
            "{message}"
        );
        assert!(refused(&few.path().join("nowhere")).ends_with("nowhere cannot be read (images.folder)"));
        fs::write(few.path().join("bad.png"), "no image").expect("a writable folder");
        let message = refused(few.path());
        assert!(message.ends_with("bad.png cannot be read (images.folder)"), "{message}");
    }

    #[test]
    fn the_setting_is_read_as_it_is_written() {
        let text = include_str!("../../configs/zero-cost/small.toml");
        let read = |line: &str| Proxy::parse(&format!("{line}\n{text}")).map(|proxy| proxy.images);
        assert_eq!(read("images = \"noise\"").expect("a setting"), Images::Noise);
        assert_eq!(read("images = { folder = \"/a/b\" }").expect("a setting"), Images::Folder("/a/b".into()));
        assert!(read("images = { file = \"/a/b\" }").is_err());
    }
}
