//! The edge: pointers become slices and references here, and nowhere else.
//! A panic ends here too.

#[cfg(feature = "host")]
use core::mem::MaybeUninit;
#[cfg(feature = "host")]
use core::ptr;
use core::slice;

#[cfg(feature = "host")]
use sprat_core::error::{DropCounters, DropReason};

use crate::status::{SPRAT_E_ARGUMENT, SPRAT_E_NULL, SPRAT_OK};

/// The result of a call inside: the error is a status code.
pub(crate) type Status<T> = Result<T, i32>;

/// Turns a result into the code that C sees.
pub(crate) fn code(result: Status<()>) -> i32 {
    match result {
        Ok(()) => SPRAT_OK,
        Err(code) => code,
    }
}

/// The octets at `data`; NULL with length 0 is an empty slice.
///
/// # Safety
/// `data` is NULL or points to `len` octets that nobody writes during `'a`.
pub(crate) unsafe fn octets<'a>(data: *const u8, len: usize) -> Status<&'a [u8]> {
    // SAFETY: forwarded.
    unsafe { elements(data, len) }
}

/// The `len` elements at `data`; NULL with length 0 is an empty slice.
///
/// # Safety
/// `data` is NULL or points to `len` elements that nobody writes during `'a`.
pub(crate) unsafe fn elements<'a, T>(data: *const T, len: usize) -> Status<&'a [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(SPRAT_E_NULL);
    }
    if len > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(SPRAT_E_ARGUMENT);
    }
    // SAFETY: not NULL, and the caller answers for the length.
    Ok(unsafe { slice::from_raw_parts(data, len) })
}

/// The octets at `data`, to be written.
///
/// # Safety
/// `data` is NULL or points to `len` octets that nobody else uses during `'a`.
pub(crate) unsafe fn octets_mut<'a>(data: *mut u8, len: usize) -> Status<&'a mut [u8]> {
    if len == 0 {
        return Ok(&mut []);
    }
    if data.is_null() {
        return Err(SPRAT_E_NULL);
    }
    if len > isize::MAX as usize {
        return Err(SPRAT_E_ARGUMENT);
    }
    // SAFETY: not NULL, and the caller answers for length and exclusiveness.
    Ok(unsafe { slice::from_raw_parts_mut(data, len) })
}

/// A reference to what `pointer` points to.
///
/// # Safety
/// `pointer` is NULL or points to a valid `T` that nobody writes during `'a`.
#[cfg(feature = "host")]
pub(crate) unsafe fn reference<'a, T>(pointer: *const T) -> Status<&'a T> {
    // SAFETY: the caller answers for a pointer that is not NULL.
    unsafe { pointer.as_ref() }.ok_or(SPRAT_E_NULL)
}

/// A reference to what `pointer` points to, to be written.
///
/// # Safety
/// `pointer` is NULL or points to a valid `T` that nobody else uses during `'a`.
pub(crate) unsafe fn reference_mut<'a, T>(pointer: *mut T) -> Status<&'a mut T> {
    // SAFETY: the caller answers for a pointer that is not NULL.
    unsafe { pointer.as_mut() }.ok_or(SPRAT_E_NULL)
}

/// A struct of the ABI whose first field is `uint32_t struct_size`, and whose
/// fields are only appended to from version to version. All its fields are
/// integers or pointers, for which zeroed memory is valid.
///
/// # Safety
/// `Self` is `repr(C)`, begins with the size, and is valid when zeroed.
#[cfg(feature = "host")]
pub(crate) unsafe trait Versioned: Copy {
    /// Octets of the first released form.
    const FIRST_SIZE: usize;
}

/// What the size field of a caller's struct says, if it can be right.
///
/// # Safety
/// `pointer` is NULL or points to a struct that begins with its size.
#[cfg(feature = "host")]
unsafe fn given_size<T: Versioned>(pointer: *const T) -> Status<usize> {
    if pointer.is_null() {
        return Err(SPRAT_E_NULL);
    }
    // SAFETY: every such struct begins with its size.
    let given = unsafe { pointer.cast::<u32>().read() } as usize;
    if (T::FIRST_SIZE..=4096).contains(&given) {
        Ok(given)
    } else {
        Err(SPRAT_E_ARGUMENT)
    }
}

/// Reads a struct that a caller of an older or newer version filled: fields it
/// does not know are 0; fields we do not know must be 0.
///
/// # Safety
/// `pointer` is NULL or points to as many octets as its first field says.
#[cfg(feature = "host")]
pub(crate) unsafe fn read<T: Versioned>(pointer: *const T) -> Status<T> {
    // SAFETY: forwarded.
    let given = unsafe { given_size(pointer) }?;
    let known = given.min(size_of::<T>());
    let octets = pointer.cast::<u8>();
    // SAFETY: the caller answers for `given` octets. No slice covers the part we
    // know: padding in it need not be initialised.
    let unknown = unsafe { slice::from_raw_parts(octets.add(known), given - known) };
    if unknown.iter().any(|octet| *octet != 0) {
        return Err(SPRAT_E_ARGUMENT);
    }
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: `known` is not longer than T, and a zeroed T is valid (Versioned).
    unsafe {
        ptr::copy_nonoverlapping(octets, value.as_mut_ptr().cast::<u8>(), known);
        Ok(value.assume_init())
    }
}

/// A caller's struct that is to be written, checked before anything is done
/// that could not be undone.
#[cfg(feature = "host")]
pub(crate) struct Out<T> {
    pointer: *mut T,
    room: usize,
}

#[cfg(feature = "host")]
impl<T: Versioned> Out<T> {
    /// # Safety
    /// `pointer` is NULL or points to as many writable octets as its first field
    /// says, until the last use of what is returned.
    pub(crate) unsafe fn new(pointer: *mut T) -> Status<Self> {
        // SAFETY: forwarded.
        let room = unsafe { given_size(pointer) }?;
        Ok(Out { pointer, room })
    }

    /// Writes as much of `value` as there is room for; the size field stays.
    pub(crate) fn write(self, value: &T) {
        let len = self.room.min(size_of::<T>()) - size_of::<u32>();
        let from = ptr::from_ref(value).cast::<u8>();
        // SAFETY: both sides have `len` octets behind their size field, and a
        // caller's struct does not overlap our value.
        unsafe { ptr::copy_nonoverlapping(from.add(4), self.pointer.cast::<u8>().add(4), len) };
    }
}

/// Runs a function body so that no panic reaches C.
#[cfg(feature = "host")]
pub(crate) fn guarded(body: impl FnOnce() -> Status<()>) -> i32 {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
    caught.map_or(crate::status::SPRAT_E_INTERNAL, code)
}

/// A host object behind a pointer. After a panic inside a call it answers
/// `SPRAT_E_POISONED`, since its state may be half changed.
#[cfg(feature = "host")]
pub(crate) struct Handle<T> {
    inner: T,
    poisoned: bool,
}

#[cfg(feature = "host")]
impl<T> Handle<T> {
    pub(crate) fn new(inner: T) -> Self {
        Handle {
            inner,
            poisoned: false,
        }
    }

    /// The object, unless it is poisoned.
    pub(crate) fn get(&self) -> Status<&T> {
        if self.poisoned {
            Err(crate::status::SPRAT_E_POISONED)
        } else {
            Ok(&self.inner)
        }
    }

    /// Runs `body` on the object; a panic poisons it.
    pub(crate) fn change(&mut self, body: impl FnOnce(&mut T) -> Status<()>) -> i32 {
        if self.poisoned {
            return crate::status::SPRAT_E_POISONED;
        }
        let inner = &mut self.inner;
        let call = std::panic::AssertUnwindSafe(|| body(inner));
        match std::panic::catch_unwind(call) {
            Ok(result) => code(result),
            Err(_) => {
                self.poisoned = true;
                crate::status::SPRAT_E_INTERNAL
            }
        }
    }
}

/// Copies text for C: `*len` is the room in octets and becomes the octets of
/// the text with its final 0. `Short` if there is not enough; the start is
/// copied all the same, ended by 0.
///
/// # Safety
/// `out` is NULL or points to `*len` writable octets; `len` is valid or NULL.
#[cfg(feature = "host")]
pub(crate) unsafe fn copy_text(
    text: &str,
    out: *mut core::ffi::c_char,
    len: *mut usize,
) -> Status<()> {
    // SAFETY: forwarded.
    let len = unsafe { reference_mut(len) }?;
    let room = *len;
    // SAFETY: forwarded.
    let out = unsafe { octets_mut(out.cast::<u8>(), room) }?;
    *len = text.len() + 1;
    // Not in the middle of a character: what is cut is still UTF-8.
    let shown = text.floor_char_boundary(room.saturating_sub(1));
    for (to, from) in out.iter_mut().zip(text.bytes().take(shown).chain([0])) {
        *to = from;
    }
    if room > text.len() {
        Ok(())
    } else {
        Err(crate::status::SPRAT_E_SHORT)
    }
}

/// Copies counters by drop reason; index 0 stays 0. `*count` is the room in numbers
/// and becomes the need.
///
/// # Safety
/// `out` is NULL or points to `*count` writable numbers; `count` is valid or NULL.
#[cfg(feature = "host")]
pub(crate) unsafe fn copy_counters(
    drops: &DropCounters,
    out: *mut u64,
    count: *mut usize,
) -> Status<()> {
    // SAFETY: forwarded.
    let count = unsafe { reference_mut(count) }?;
    if out.is_null() && *count != 0 {
        return Err(SPRAT_E_NULL);
    }
    let room = core::mem::replace(count, DropReason::COUNTERS);
    if room < DropReason::COUNTERS {
        return Err(crate::status::SPRAT_E_SHORT);
    }
    // SAFETY: not NULL, and the caller answers for `room` numbers.
    let out = unsafe { slice::from_raw_parts_mut(out, DropReason::COUNTERS) };
    out.fill(0);
    for reason in DropReason::ALL {
        out[usize::from(reason.code())] = drops.of(*reason);
    }
    Ok(())
}

#[cfg(all(test, feature = "host"))]
mod tests {
    use super::*;
    use crate::status::*;

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Sample {
        struct_size: u32,
        a: u32,
        b: u32,
    }

    // SAFETY: repr(C), size first, integers only.
    unsafe impl Versioned for Sample {
        const FIRST_SIZE: usize = 8;
    }

    #[test]
    fn older_and_newer_structs_are_read() {
        let read_words = |words: &[u32]| {
            // SAFETY: the words are as long as the first one says.
            unsafe { read(words.as_ptr().cast::<Sample>()) }
        };
        assert_eq!(
            read_words(&[8, 5]),
            Ok(Sample {
                struct_size: 8,
                a: 5,
                b: 0
            })
        );
        assert_eq!(
            read_words(&[16, 5, 6, 0]),
            Ok(Sample {
                struct_size: 16,
                a: 5,
                b: 6
            })
        );
        assert_eq!(read_words(&[16, 5, 6, 1]), Err(SPRAT_E_ARGUMENT));
        assert_eq!(read_words(&[7, 5, 6, 1]), Err(SPRAT_E_ARGUMENT));
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { read(ptr::null::<Sample>()) }, Err(SPRAT_E_NULL));
    }

    #[test]
    fn an_older_caller_is_written_what_it_has_room_for() {
        let mut words = [8u32, 0, 77];
        let value = Sample {
            struct_size: 12,
            a: 1,
            b: 2,
        };
        // SAFETY: the words are longer than the first one says.
        let out = unsafe { Out::new(words.as_mut_ptr().cast::<Sample>()) };
        out.unwrap().write(&value);
        assert_eq!(words, [8, 1, 77]);
    }

    #[test]
    fn a_panic_poisons_the_handle() {
        let mut handle = Handle::new(1);
        assert_eq!(handle.change(|_| panic!("on purpose")), SPRAT_E_INTERNAL);
        assert_eq!(handle.change(|_| Ok(())), SPRAT_E_POISONED);
        assert_eq!(handle.get(), Err(SPRAT_E_POISONED));
        assert_eq!(guarded(|| panic!("on purpose")), SPRAT_E_INTERNAL);
    }

    #[test]
    fn text_is_cut_and_its_need_told() {
        let mut room = [1 as core::ffi::c_char; 4];
        let mut len = 4;
        // SAFETY: four octets of room.
        let short = unsafe { copy_text("abcd", room.as_mut_ptr(), &mut len) };
        assert_eq!((short, len, room[3]), (Err(SPRAT_E_SHORT), 5, 0));
        len = 4;
        // SAFETY: four octets of room.
        let whole = unsafe { copy_text("abc", room.as_mut_ptr(), &mut len) };
        assert_eq!(whole, Ok(()));
        assert_eq!(len, 4);
    }
}
