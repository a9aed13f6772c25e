// SPDX-License-Identifier: Apache-2.0
//! generators.rs - a co as an iterator in safe Rust
//!
//!     rustc --edition 2021 generators.rs && ./generators    (Rust 1.70 or later)
//!
//! A body yields at any depth of calls, here in a walk that calls itself.  A
//! panic of the body goes on in the caller of next(), and a generator that is
//! dropped before its end unwinds its body.
//!
//! Each generator has a stack for itself: safe Rust may lend a local variable of
//! the body to other code, so its bytes must not move.  Generators stay on the
//! thread that has made them.  All use the floating-point environment of their
//! callers, which Rust never changes.
//!
//! It prints:
//!
//!	tree: 1 2 3 4 5
//!	a panic of the body: no luck
//!	two at once: (0, 0) (1, 10) (2, 20)
//!	given up: cleaned up

use std::any::Any;
use std::cell::Cell;
use std::ffi::{c_char, c_int, c_uint, c_void, CStr};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::OnceLock;

/// What of aco.h is used here.
mod ffi {
    use super::*;

    #[link(name = "aco")]
    extern "C" {
        pub fn aco_constant(name: *const c_char) -> c_int;
        pub fn aco_create2(
            main_co: *mut c_void,
            share_stack: *mut c_void,
            save_stack_sz: usize,
            fp: Option<extern "C" fn()>,
            arg: *const c_void,
            flags: c_uint,
        ) -> *mut c_void;
        pub fn aco_destroy(co: *mut c_void);
        pub fn aco_get_arg() -> *const c_void;
        pub fn aco_get_co() -> *mut c_void;
        pub fn aco_is_end(co: *const c_void) -> c_int;
        pub fn aco_share_stack_destroy(stack: *mut c_void);
        pub fn aco_share_stack_new(sz: usize) -> *mut c_void;
        pub fn aco_try_resume(co: *mut c_void) -> c_int;
        pub fn aco_yield();
    }
}

/// What all generators need: a main co, which is never destroyed, and flags.
struct Common {
    main_co: usize,
    flags: c_uint,
}

fn constant(name: &[u8]) -> c_uint {
    let name = CStr::from_bytes_with_nul(name).unwrap();
    let value = unsafe { ffi::aco_constant(name.as_ptr()) };
    c_uint::try_from(value).expect("a newer libaco")
}

fn common() -> &'static Common {
    static COMMON: OnceLock<Common> = OnceLock::new();
    COMMON.get_or_init(|| {
        let null = std::ptr::null_mut();
        let co = unsafe { ffi::aco_create2(null, null, 0, None, null, 0) };
        assert!(!co.is_null(), "no memory for a main co");
        Common {
            main_co: co as usize,
            flags: constant(b"ACO_RETURN_EXITS\0") | constant(b"ACO_SHARE_FPENV\0"),
        }
    })
}

type Body<T> = Box<dyn FnOnce(&Yielder<T>)>;

/// The argument of a body.
pub struct Yielder<T> {
    co: Cell<*mut c_void>,
    body: Cell<Option<Body<T>>>,
    value: Cell<Option<T>>,
    panic: Cell<Option<Box<dyn Any + Send>>>,
    is_dropped: Cell<bool>,
}

/// Unwinds the body of a generator that is dropped.
struct Dropped;

impl<T> Yielder<T> {
    /// Suspends the generator with a value for next().
    pub fn give(&self, value: T) {
        assert_eq!(unsafe { ffi::aco_get_co() }, self.co.get());
        if !self.is_dropped.get() {
            self.value.set(Some(value));
            unsafe { ffi::aco_yield() };
        }
        if self.is_dropped.get() {
            resume_unwind(Box::new(Dropped));
        }
    }
}

/// The function of each co: nothing is left to drop when it returns.
extern "C" fn run<T>() {
    let own = unsafe { &*ffi::aco_get_arg().cast::<Yielder<T>>() };
    if let Some(body) = own.body.take() {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(own))) {
            own.panic.set(Some(panic).filter(|p| !p.is::<Dropped>()));
        }
    }
}

pub struct Generator<T> {
    stack: *mut c_void,
    co: *mut c_void,
    own: Box<Yielder<T>>,
}

impl<T: 'static> Generator<T> {
    pub fn new(body: impl FnOnce(&Yielder<T>) + 'static) -> Self {
        let own = Box::new(Yielder {
            co: Cell::new(std::ptr::null_mut()),
            body: Cell::new(Some(Box::new(body))),
            value: Cell::new(None),
            panic: Cell::new(None),
            is_dropped: Cell::new(false),
        });
        let arg: *const Yielder<T> = &*own;
        let Common { main_co, flags } = *common();
        let main_co = main_co as *mut c_void;
        let stack = unsafe { ffi::aco_share_stack_new(0) };
        assert!(!stack.is_null(), "no memory for a stack");
        let co = unsafe { ffi::aco_create2(main_co, stack, 0, Some(run::<T>), arg.cast(), flags) };
        if co.is_null() {
            unsafe { ffi::aco_share_stack_destroy(stack) };
            panic!("no memory for a co");
        }
        own.co.set(co);
        Generator { stack, co, own }
    }
}

impl<T> Iterator for Generator<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if unsafe { ffi::aco_is_end(self.co) } != 0 {
            return None;
        }
        let result = unsafe { ffi::aco_try_resume(self.co) };
        assert_eq!(result, 0, "no memory to resume a co");
        if let Some(panic) = self.own.panic.take() {
            resume_unwind(panic);
        }
        self.own.value.take()
    }
}

impl<T> Drop for Generator<T> {
    fn drop(&mut self) {
        let is_started = self.own.body.take().is_none();
        self.own.is_dropped.set(true);
        unsafe {
            if is_started && ffi::aco_is_end(self.co) == 0 {
                let result = ffi::aco_try_resume(self.co);
                assert_eq!(result, 0, "no memory to resume a co");
            }
            ffi::aco_destroy(self.co);
            ffi::aco_share_stack_destroy(self.stack);
        }
    }
}

struct Tree(Option<Box<Tree>>, i32, Option<Box<Tree>>);

fn leaf(value: i32) -> Option<Box<Tree>> {
    Some(Box::new(Tree(None, value, None)))
}

fn walk(tree: &Option<Box<Tree>>, yielder: &Yielder<i32>) {
    if let Some(node) = tree {
        walk(&node.0, yielder);
        yielder.give(node.1);
        walk(&node.2, yielder);
    }
}

struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        println!("given up: cleaned up");
    }
}

fn main() {
    let left = Some(Box::new(Tree(leaf(1), 2, leaf(3))));
    let tree = Some(Box::new(Tree(left, 4, leaf(5))));
    let values = Generator::new(move |yielder| walk(&tree, yielder));
    let text: Vec<String> = values.map(|value| value.to_string()).collect();
    println!("tree: {}", text.join(" "));

    let mut fails = Generator::new(|yielder| {
        yielder.give(1);
        resume_unwind(Box::new("no luck"));
    });
    assert_eq!(fails.next(), Some(1));
    let panic = catch_unwind(AssertUnwindSafe(|| fails.next())).unwrap_err();
    println!(
        "a panic of the body: {}",
        panic.downcast_ref::<&str>().unwrap()
    );
    assert_eq!(fails.next(), None);

    let tens = Generator::new(|y| (0..).for_each(|i| y.give(10 * i)));
    let ones = Generator::new(|y| (0..3).for_each(|i| y.give(i)));
    let pairs: Vec<String> = ones.zip(tens).map(|pair| format!("{pair:?}")).collect();
    println!("two at once: {}", pairs.join(" "));

    let mut holds = Generator::new(|yielder| {
        let _guard = Guard;
        yielder.give(1);
        unreachable!();
    });
    holds.next();
}
