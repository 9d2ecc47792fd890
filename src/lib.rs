//! Mutual-TLS access to Amazon S3: the client's identity from its certificate, grants that decide, the request signed
//! anew with the proxy's own role, the body streamed.
//!
//! A request's journey, stage by stage; each stage's result is a type that only it can make:
//!
//! ```text
//!  client ══ mTLS ══> tls::accept ──> ClientLeaf                  who
//!                     s3::classify ──> Classified ──> Asked       what: one operation, every access
//!                     policy::Entitlements::authorize             may they: Permitted, or a Denial
//!                     proxy::rewrite::head ──> Request<()>        as S3 should see it
//!                     sigv4::Signer::sign ──> ChunkSigner         with the proxy's credentials
//!                     proxy::body::UpstreamBody                   streamed, re-framed where need be
//!  S3     <═══ TLS ══ upstream::Upstream::send
//! ```
//!
//! Folders are floors. Imports go down, never up and never sideways; floors 0 and 1 do no IO at all.
//!
//! | floor | modules | what they are |
//! |---|---|---|
//! | 0 | [`identity`], [`s3`] | words: pure values |
//! | 1 | [`policy`], [`sigv4`], [`spec`] | decisions: sans IO, time is an argument |
//! | 2 | [`config`], [`telemetry`], [`process`], [`net`] | plumbing |
//! | 3 | [`tls`], [`credentials`], [`upstream`], [`cluster`] | adapters, one outside thing each |
//! | 4 | [`proxy`], [`connect`], [`admin`], [`explain`], [`audit`], [`inject`], [`doctor`], [`render`], [`bootstrap`] | programs, which never import each other |
//! | 5 | [`cli`], [`app`] | assembly |

pub mod identity;
pub mod s3;

pub mod policy;
pub mod sigv4;
pub mod spec;

pub mod config;
pub mod net;
pub mod process;
pub mod telemetry;

pub mod cluster;
pub mod credentials;
pub mod tls;
pub mod upstream;

pub mod admin;
#[cfg(feature = "audit")]
pub mod audit;
#[cfg(feature = "bootstrap")]
pub mod bootstrap;
pub mod connect;
pub mod doctor;
pub mod explain;
pub mod inject;
pub mod proxy;
#[cfg(feature = "bootstrap")]
pub mod render;

pub mod app;
pub mod cli;
