//! Records on disk, in partitions by a hash, so that two sets of any size can be compared in the memory that one
//! partition takes. Blocks are compressed; the file has no name and is gone when this is.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::AuditError;

/// A hundred million records make partitions of 400,000, some 50 MB in memory at a time.
pub(super) const PARTITIONS: usize = 256;
/// Bytes of a partition that wait in memory: 8 MiB in all.
const BLOCK: usize = 32 * 1024;
/// Fast, and names that look alike shrink to a fraction anyway.
const LEVEL: i32 = 1;

/// Hashes with keys of this run's own: nobody can choose names that fall together.
#[derive(Debug, Clone, Default)]
pub(super) struct Hash(RandomState, RandomState);

impl Hash {
    pub(super) fn of(&self, value: impl std::hash::Hash) -> u128 {
        u128::from(self.0.hash_one(&value)) << 64 | u128::from(self.1.hash_one(&value))
    }
}

/// Where a record with a hash lies.
pub(super) const fn partition(hash: u128) -> usize {
    (hash >> 120) as usize % PARTITIONS
}

/// Records of one side.
#[derive(Debug)]
pub(super) struct Spill {
    waiting: Vec<Mutex<Vec<u8>>>,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    file: File,
    end: u64,
    /// Of each partition: where its blocks begin, and their lengths.
    blocks: Vec<Vec<(u64, usize)>>,
}

/// What a panicking thread left is never used: its panic ends the audit.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Spill {
    pub(super) fn new() -> Result<Self, AuditError> {
        let file = tempfile::tempfile().map_err(AuditError::Spill)?;
        let waiting = (0..PARTITIONS).map(|_| Mutex::default()).collect();
        Ok(Self {
            waiting,
            written: Mutex::new(Written { file, end: 0, blocks: vec![Vec::new(); PARTITIONS] }),
        })
    }

    /// Adds a record.
    pub(super) fn push(&self, partition: usize, record: &[u8]) -> Result<(), AuditError> {
        let mut waiting = lock(&self.waiting[partition]);
        let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
        waiting.extend_from_slice(&length.to_le_bytes());
        waiting.extend_from_slice(record);
        if waiting.len() >= BLOCK {
            self.write(partition, &waiting)?;
            waiting.clear();
        }
        Ok(())
    }

    fn write(&self, partition: usize, block: &[u8]) -> Result<(), AuditError> {
        let block = zstd::bulk::compress(block, LEVEL).map_err(AuditError::Spill)?;
        let mut written = lock(&self.written);
        written.file.write_all(&block).map_err(AuditError::Spill)?;
        let start = written.end;
        written.end += block.len() as u64;
        written.blocks[partition].push((start, block.len()));
        Ok(())
    }

    /// Hands on every record of a partition, in the order in which they came.
    pub(super) fn read(&self, partition: usize, mut each: impl FnMut(&[u8])) -> Result<(), AuditError> {
        let mut written = lock(&self.written);
        for (start, length) in written.blocks[partition].clone() {
            let mut block = vec![0; length];
            written.file.seek(SeekFrom::Start(start)).map_err(AuditError::Spill)?;
            written.file.read_exact(&mut block).map_err(AuditError::Spill)?;
            records(&zstd::stream::decode_all(&block[..]).map_err(AuditError::Spill)?, &mut each);
        }
        let end = written.end;
        written.file.seek(SeekFrom::Start(end)).map_err(AuditError::Spill)?;
        records(&lock(&self.waiting[partition]), &mut each);
        Ok(())
    }
}

fn records(mut block: &[u8], each: &mut impl FnMut(&[u8])) {
    while let Some((length, rest)) = block.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        let Some((record, rest)) = rest.split_at_checked(length) else { return };
        each(record);
        block = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_comes_back_by_partition() {
        let (spill, hash) = (Spill::new().unwrap(), Hash::default());
        let mut expected = vec![Vec::new(); PARTITIONS];
        for i in 0..200_000_u32 {
            let record = format!("record {i} {}", "x".repeat(i as usize % 90));
            let at = partition(hash.of(&record));
            spill.push(at, record.as_bytes()).unwrap();
            expected[at].push(record.into_bytes());
        }
        for (at, expected) in expected.into_iter().enumerate() {
            let mut found = Vec::new();
            spill.read(at, |record| found.push(record.to_vec())).unwrap();
            assert!(found == expected && !found.is_empty());
        }
    }
}
