//! The image's file: data goes to its end, block by block; inodes share blocks that are kept in memory
//! until they are full.

use std::fs::File;
use std::os::unix::fs::FileExt;

use gantry_sys::uncached::{AlignedBuffer, UncachedFile};

use crate::inode::{BLOCK, BLOCK_LEN, SLOT_LEN};
use crate::{Error, Result};

/// Data is gathered up to this size before it is written.
const GATHERED_BYTES: usize = 1 << 20;
/// Blocks for inodes that are open at once: the more, the fewer gaps stay in them.
const SHELF_BLOCKS: usize = 64;
/// Blocks that an image may have: 8 TiB, which every file system takes for a file.
const MOST_BLOCKS: u64 = 1 << 31;

#[derive(Debug)]
pub(crate) struct Output {
    file: UncachedFile,
    /// The first block that nothing has.
    next_block: u64,
    gathered: AlignedBuffer,
    /// Where what is gathered belongs.
    gathered_at: u64,
    shelf: Option<Shelf>,
}

/// A run of blocks for inodes.
#[derive(Debug)]
struct Shelf {
    at: u64,
    bytes: Vec<u8>,
    used: [usize; SHELF_BLOCKS],
}

impl Output {
    /// The first block is the superblock's, and written last.
    pub(crate) fn new(file: File) -> Self {
        let (file, gathered) = (UncachedFile::new(file), AlignedBuffer::new(GATHERED_BYTES));
        Self { file, next_block: 1, gathered, gathered_at: BLOCK, shelf: None }
    }

    /// The block at which the next data goes.
    pub(crate) fn next_block(&self) -> u64 {
        self.next_block
    }

    /// Takes blocks for data, in a row; their first.
    pub(crate) fn take_blocks(&mut self, count: u64) -> Result<u32> {
        let first = self.next_block;
        let next = first.checked_add(count).filter(|next| *next <= MOST_BLOCKS);
        self.next_block = next.ok_or(Error::Limit { limit: MOST_BLOCKS, what: "blocks" })?;
        u32::try_from(first).map_err(|_| Error::Limit { limit: MOST_BLOCKS, what: "blocks" })
    }

    /// Writes data somewhere in blocks that were taken; best in one go from the first to the last.
    pub(crate) fn write(&mut self, offset: u64, mut bytes: &[u8]) -> Result<()> {
        let gathered_to = self.gathered_at + self.gathered.bytes().len() as u64;
        // The rest of a file's last block is nobody else's.
        let gap = offset.checked_sub(gathered_to).filter(|gap| *gap < BLOCK);
        match gap.and_then(|gap| usize::try_from(gap).ok()) {
            Some(gap) if gap <= self.gathered.room() => self.gathered.extend_zeros(gap),
            _ => {
                self.flush_gathered()?;
                self.gathered_at = offset;
            }
        }
        // Always full, so that what goes to the disk begins and ends with a page.
        while bytes.len() > self.gathered.room() {
            let (now, later) = bytes.split_at(self.gathered.room());
            self.gathered.extend(now);
            self.flush_gathered()?;
            bytes = later;
        }
        self.gathered.extend(bytes);
        Ok(())
    }

    /// Puts an inode with what belongs to it where there is room; where that is. What fits into a block
    /// is not divided between two.
    pub(crate) fn place(&mut self, bytes: &[u8]) -> Result<u64> {
        if bytes.len() as u64 > BLOCK {
            let first = self.take_blocks((bytes.len() as u64).div_ceil(BLOCK))?;
            let offset = u64::from(first) * BLOCK;
            self.write(offset, bytes)?;
            return Ok(offset);
        }
        if let Some(offset) = self.shelf.as_mut().and_then(|shelf| shelf.place(bytes)) {
            return Ok(offset);
        }
        self.flush_shelf()?;
        let first = self.take_blocks(SHELF_BLOCKS as u64)?;
        let mut shelf = Shelf {
            at: u64::from(first) * BLOCK,
            bytes: vec![0; SHELF_BLOCKS * BLOCK_LEN],
            used: [0; SHELF_BLOCKS],
        };
        // An empty shelf takes whatever fits into a block.
        let offset = shelf.place(bytes).unwrap_or(shelf.at);
        self.shelf = Some(shelf);
        Ok(offset)
    }

    /// Writes all that is still in memory. Data that comes later goes behind the last block in use.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.flush_gathered()?;
        let unused = self.shelf.as_ref().map_or(0, |shelf| {
            let is_last = shelf.at / BLOCK + SHELF_BLOCKS as u64 == self.next_block;
            let free = shelf.used.iter().rev().take_while(|used| **used == 0).count();
            if is_last { free } else { 0 }
        });
        self.flush_shelf()?;
        self.next_block -= unused as u64;
        Ok(())
    }

    fn flush_gathered(&mut self) -> Result<()> {
        if self.gathered.bytes().is_empty() {
            return Ok(());
        }
        let end = self.gathered_at + self.gathered.bytes().len() as u64;
        // The rest of the last block is nobody else's.
        let rest = usize::try_from(end.next_multiple_of(BLOCK) - end).unwrap_or(0);
        if rest <= self.gathered.room() {
            self.gathered.extend_zeros(rest);
        }
        let written = self.file.write_all_at(self.gathered.bytes(), self.gathered_at);
        self.gathered_at = end;
        self.gathered.clear();
        written.map_err(Error::image("write"))
    }

    fn flush_shelf(&mut self) -> Result<()> {
        let Some(shelf) = self.shelf.take() else { return Ok(()) };
        let free = shelf.used.iter().rev().take_while(|used| **used == 0).count();
        let bytes = &shelf.bytes[..(SHELF_BLOCKS - free) * BLOCK_LEN];
        self.write_through(shelf.at, bytes)
    }

    /// Writes at once.
    pub(crate) fn write_through(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.file.file().write_all_at(bytes, offset).map_err(Error::image("write"))
    }

    /// Reads what was written and flushed.
    pub(crate) fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        self.file.file().read_exact_at(bytes, offset).map_err(Error::image("read"))
    }

    /// Gives the file its final size.
    pub(crate) fn set_length(&self) -> Result<()> {
        self.file.file().set_len(self.next_block * BLOCK).map_err(Error::image("set the size of"))
    }
}

impl Shelf {
    /// The fullest block that still has room.
    fn place(&mut self, bytes: &[u8]) -> Option<u64> {
        let fits = |used: &usize| used + bytes.len() <= BLOCK_LEN;
        let blocks = self.used.iter().enumerate().filter(|(_, used)| fits(used));
        let (block, used) = blocks.max_by_key(|(block, used)| (**used, SHELF_BLOCKS - block))?;
        let start = block * BLOCK_LEN + used;
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self.used[block] = (used + bytes.len()).next_multiple_of(SLOT_LEN);
        Some(self.at + start as u64)
    }
}
