//! Where a report lies: which manifest is meant, and where its data files are.

use super::manifest::{DataFile, Manifest};
use crate::audit::error::{AuditError, Spot};
use crate::audit::place::Place;
use crate::audit::store::Store;

const MANIFEST: &str = "manifest.json";
/// S3 writes it last: without it a report is still being delivered.
const CHECKSUM: &str = "manifest.checksum";

/// The manifest that is meant by a manifest, by the folder of one report, or by the folder of all reports of one
/// inventory: of those, the latest that has been delivered.
pub(super) fn manifest(store: &Store, place: &Place) -> Result<Place, AuditError> {
    if place.name() == MANIFEST {
        return Ok(place.clone());
    }
    if store.has(&place.join(MANIFEST))? {
        return Ok(place.join(MANIFEST));
    }
    let missing = || {
        AuditError::damaged(
            Spot::file(place),
            "holds no manifest.json, and no folder such as 2026-11-22T01-00Z that has been delivered whole",
        )
    };
    delivered(store, place)?.pop().ok_or_else(missing)
}

/// The report before one, of the same inventory.
pub(super) fn before(store: &Store, manifest: &Place) -> Result<Place, AuditError> {
    let folder = manifest.folder();
    let earlier = delivered(store, &folder.folder())?;
    let earlier = earlier.into_iter().rfind(|other| other.folder().name() < folder.name());
    let missing = || AuditError::Usage(format!("--earlier previous: there is no report before {manifest}"));
    earlier.ok_or_else(missing)
}

/// Manifests of reports that are whole, from old to new.
fn delivered(store: &Store, inventory: &Place) -> Result<Vec<Place>, AuditError> {
    let mut names = store.folders(inventory)?;
    names.retain(|name| is_date(name));
    names.sort_unstable();
    let mut manifests = Vec::new();
    for folder in names.iter().map(|name| inventory.join(name)) {
        if store.has(&folder.join(CHECKSUM))? {
            manifests.push(folder.join(MANIFEST));
        }
    }
    Ok(manifests)
}

/// `2026-11-22T01-00Z`.
fn is_date(name: &str) -> bool {
    let pattern = b"0000-00-00T00-00Z";
    let fits = |(byte, like): (u8, &u8)| if *like == b'0' { byte.is_ascii_digit() } else { byte == *like };
    name.len() == pattern.len() && name.bytes().zip(pattern).all(fits)
}

/// A data file. Locally a report may have been copied with its folders, or with all its files in one.
pub(super) fn data(store: &Store, manifest: &Manifest, file: &DataFile) -> Result<Place, AuditError> {
    let above = match &manifest.place {
        Place::S3 { bucket, .. } => return Ok(Place::S3 { bucket: bucket.clone(), key: file.key.clone() }),
        Place::Local(path) => path.ancestors().skip(1),
    };
    // A key is a path here, and may not lead anywhere else.
    let mut parts = std::path::Path::new(&file.key).components();
    if !parts.all(|part| matches!(part, std::path::Component::Normal(_))) {
        let why = format!("the data file '{}' is not below the report", file.key.escape_debug());
        return Err(AuditError::damaged(Spot::file(&manifest.place), why));
    }
    let name = file.key.rsplit('/').next().unwrap_or(&file.key);
    let here = manifest.place.folder();
    let mut tried = vec![here.join(name), here.join("data").join(name)];
    tried.extend(above.map(|folder| Place::Local(folder.join(&file.key))));
    for place in &tried {
        if store.has(place)? {
            return Ok(place.clone());
        }
    }
    let why = format!(
        "the data file '{}' is neither beside it nor below any folder above it; it lies in the bucket '{}'",
        file.key.escape_debug(),
        manifest.destination
    );
    Err(AuditError::damaged(Spot::file(&manifest.place), why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dated_folders_are_told_from_others() {
        assert!(is_date("2026-11-22T01-00Z"));
        assert!(!["data", "hive", "2026-11-22T01:00Z", "2026-11-22T01-00Zx"].into_iter().any(is_date));
    }
}
