//! Builds libwebp's encoder from the sources of the crate libwebp-sys, with `patches/` applied and
//! `csrc/` beside them. Its symbols get a prefix, so that it can be linked together with libwebp.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The release of libwebp-sys that the patches are made for.
const VERSION: &str = "0.14.4";

const LIBWEBP: [&str; 6] = [
    "src/dec",
    "src/dsp",
    "src/enc",
    "src/utils",
    "src/webp",
    "sharpyuv",
];

const OWN: &str = "csrc";

/// `csrc/tokens.c` takes its place.
const REPLACED: &str = "src/enc/token_enc.c";

/// What libwebp's global names begin with.
const GLOBAL: [&str; 6] = [
    "VP8",
    "WebP",
    "SharpYuv",
    "kVP8",
    "InitSharpYuv",
    "QuantizeLevels",
];

/// Those that begin with nothing of libwebp's own.
const OTHERS: [&str; 8] = [
    "GetColorPalette",
    "PaletteSort",
    "PrepareMapToPalette",
    "SearchColorNoIdx",
    "kLog2Table",
    "kSLog2Table",
    "kPrefixEncodeCode",
    "kPrefixEncodeExtraBitsValue",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=patches");
    println!("cargo::rerun-if-changed=csrc");
    if env::var_os("CARGO_FEATURE_STOCK").is_some() {
        return;
    }
    let own = folder("CARGO_MANIFEST_DIR");
    let tree = folder("OUT_DIR").join("libwebp");
    // Of another release, maybe.
    let _ = fs::remove_dir_all(&tree);
    copy(&sources(&own), &tree, &LIBWEBP);
    copy(&own, &tree, &[OWN]);
    for patch in files(&own.join("patches"), "patch") {
        apply(&patch, &tree);
    }
    rename(&tree);
    compile(&tree);
}

fn folder(variable: &str) -> PathBuf {
    PathBuf::from(env::var_os(variable).unwrap_or_else(|| panic!("cargo sets {variable}")))
}

/// The sources of libwebp: wherever cargo says that it has the crate (which covers `cargo vendor`), or,
/// where it cannot say so without the network, in its registry.
fn sources(own: &Path) -> PathBuf {
    let name = format!("libwebp-sys-{VERSION}");
    let found = from_metadata(own).or_else(|| {
        let home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(env::home_dir()?.join(".cargo")))?;
        let registries = fs::read_dir(home.join("registry/src")).ok()?;
        registries
            .flatten()
            .map(|registry| registry.path().join(&name))
            .find(|path| path.exists())
    });
    let found = found.unwrap_or_else(|| panic!("the sources of {name} are neither told by `cargo metadata` nor in CARGO_HOME; build with the feature `stock` for libwebp as it is"));
    found.join("vendor")
}

fn from_metadata(own: &Path) -> Option<PathBuf> {
    let output = Command::new(env::var_os("CARGO")?)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--frozen",
            "--manifest-path",
        ])
        .arg(own.join("Cargo.toml"))
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    // A package's own name and version stand before the names of its parts, and its manifest after.
    let (_, package) =
        text.split_once(&format!(r#""name":"libwebp-sys","version":"{VERSION}""#))?;
    let (_, path) = package.split_once(r#""manifest_path":""#)?;
    let (path, _) = path.split_once('"')?;
    Some(Path::new(&path.replace("\\\\", "\\")).parent()?.to_owned())
}

/// The files of a folder that end so, in order.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a folder can be read").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn copy(from: &Path, to: &Path, folders: &[&str]) {
    for folder in folders {
        let target = to.join(folder);
        fs::create_dir_all(&target).expect("the build's own folder");
        let source = from.join(folder);
        // Of the decoder, the headers.
        let with_code = *folder != "src/dec";
        let headers = files(&source, "h").into_iter();
        let code = files(&source, "c").into_iter().filter(|_| with_code);
        for file in headers.chain(code).filter(|file| !file.ends_with(REPLACED)) {
            write(
                &target.join(file.file_name().expect("a file")),
                &read(&file),
            );
        }
    }
}

/// Applies a patch of one or several files. What stands before the first says why it is there.
fn apply(patch: &Path, tree: &Path) {
    let text = read(patch);
    let mut starts: Vec<usize> = text
        .match_indices("\n--- a/")
        .map(|(at, _)| at + 1)
        .collect();
    starts.push(text.len());
    for range in starts.windows(2) {
        let part = &text[range[0]..range[1]];
        let fault = |what: &str| -> ! { panic!("{}: {what}:\n{part}", patch.display()) };
        let parsed = diffy::Patch::from_str(part).unwrap_or_else(|error| fault(&error.to_string()));
        let name = parsed.original().and_then(|name| name.strip_prefix("a/"));
        let file = tree.join(name.unwrap_or_else(|| fault("no file")));
        let patched =
            diffy::apply(&read(&file), &parsed).unwrap_or_else(|error| fault(&error.to_string()));
        write(&file, &patched);
    }
}

/// All copied files that end so.
fn all<'a>(tree: &'a Path, extension: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
    let folders = LIBWEBP.iter().chain([&OWN]);
    folders.flat_map(move |folder: &&str| files(&tree.join(folder), extension))
}

/// Gives every global name a prefix, in all files.
fn rename(tree: &Path) {
    for file in all(tree, "c").chain(all(tree, "h")) {
        write(&file, &renamed(&read(&file)));
    }
}

fn renamed(text: &str) -> String {
    let mut result = String::with_capacity(text.len() + text.len() / 8);
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    // Names, and what is between them, in turn.
    for part in text.split_inclusive(|c| !in_name(c)) {
        let name = part.trim_end_matches(|c| !in_name(c));
        if GLOBAL.iter().any(|start| name.starts_with(start)) || OTHERS.contains(&name) {
            result.push_str("atelier_");
        }
        result.push_str(part);
    }
    result
}

fn compile(tree: &Path) {
    let code: Vec<PathBuf> = all(tree, "c").collect();
    let x86 = matches!(
        env::var("CARGO_CFG_TARGET_ARCH").as_deref(),
        Ok("x86" | "x86_64")
    );
    let is_sse41 = |file: &&PathBuf| file.to_string_lossy().ends_with("_sse41.c");

    // Which of them runs is decided at run time: VP8GetCPUInfo of src/dsp/cpu.c.
    let mut objects = Vec::new();
    if x86 {
        let mut sse41 = compiler(tree);
        sse41.files(code.iter().filter(is_sse41)).flag("-msse4.1");
        objects = sse41.compile_intermediates();
    }
    let mut build = compiler(tree);
    build.files(code.iter().filter(|file| !x86 || !is_sse41(file)));
    if x86 {
        build
            .define("WEBP_HAVE_SSE2", None)
            .define("WEBP_HAVE_SSE41", None);
    }
    build.objects(objects).compile("atelier_webp");
}

fn compiler(tree: &Path) -> cc::Build {
    let mut build = cc::Build::new();
    build
        .include(tree)
        .include(tree.join(OWN))
        .define("NDEBUG", None)
        // Tables of functions are set up under a lock.
        .define("WEBP_USE_THREAD", None)
        .warnings(false)
        .flag("-fvisibility=hidden");
    assert!(
        !build.get_compiler().is_like_msvc(),
        "csrc needs gcc or clang; with another compiler build with the feature `stock`"
    );
    build
}
