//! Worst-case stack of functions in a linked image, from its disassembly.
//!
//! Reads what `objdump -d --no-show-raw-insn` prints, for Thumb and RISC-V.
//! A frame is the sum of all that a function takes off the stack pointer, an
//! upper bound. A call through a register may reach every function that nobody
//! calls by name: the linker kept it for its address.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What one function does to the stack.
#[derive(Debug, Default, PartialEq)]
struct Function {
    name: String,
    /// Octets taken off the stack pointer.
    frame: u32,
    /// Start addresses, or addresses within, of what it calls or jumps to.
    targets: BTreeSet<u64>,
    /// Calls through a register.
    indirect: bool,
}

type Image = BTreeMap<u64, Function>;

/// The deepest stack, in octets, of any of `roots`, and that root's name.
pub fn worst(listing: &str, roots: &[&str]) -> Result<(u32, String), String> {
    let image = read(listing)?;
    let mut search = Search::new(&image, roots);
    let mut worst = (0, String::new());
    for root in roots {
        let start = image
            .iter()
            .find_map(|(start, f)| (f.name == *root).then_some(*start))
            .ok_or_else(|| format!("no function '{root}' in the image"))?;
        let depth = search.depth(start)?;
        if depth >= worst.0 {
            worst = (depth, (*root).to_owned());
        }
    }
    Ok(worst)
}

struct Search<'a> {
    image: &'a Image,
    indirect: Vec<u64>,
    known: HashMap<u64, u32>,
    path: Vec<u64>,
}

impl<'a> Search<'a> {
    fn new(image: &'a Image, roots: &[&str]) -> Self {
        let called: BTreeSet<u64> = image
            .iter()
            .flat_map(|(from, f)| f.targets.iter().map(move |t| (from, t)))
            .filter_map(|(from, to)| owner(image, *to).filter(|to| to != from))
            .collect();
        let named = |f: &Function| roots.contains(&f.name.as_str()) || f.name == "_start";
        let indirect = image
            .iter()
            .filter(|(start, f)| !called.contains(start) && !named(f))
            .map(|(start, _)| *start)
            .collect();
        Search {
            image,
            indirect,
            known: HashMap::new(),
            path: Vec::new(),
        }
    }

    /// Octets that the function at `start` needs, with all that it calls.
    fn depth(&mut self, start: u64) -> Result<u32, String> {
        if let Some(depth) = self.known.get(&start) {
            return Ok(*depth);
        }
        let function = &self.image[&start];
        if self.path.contains(&start) {
            return Err(format!(
                "'{}' calls itself: no bound on its stack",
                function.name
            ));
        }
        self.path.push(start);
        let mut below = 0;
        for target in &function.targets {
            if let Some(callee) = owner(self.image, *target).filter(|c| *c != start) {
                below = below.max(self.depth(callee)?);
            }
        }
        if function.indirect {
            for callee in self.indirect.clone() {
                // What is above on the path is there under its own name.
                if !self.path.contains(&callee) {
                    below = below.max(self.depth(callee)?);
                }
            }
        }
        self.path.pop();
        let depth = function.frame + below;
        self.known.insert(start, depth);
        Ok(depth)
    }
}

/// The function that `address` lies in.
fn owner(image: &Image, address: u64) -> Option<u64> {
    image.range(..=address).next_back().map(|(start, _)| *start)
}

fn read(listing: &str) -> Result<Image, String> {
    let mut image = Image::new();
    let mut current: Option<(u64, Function)> = None;
    // The last constant put into each register, for frames too large for one.
    let mut constants: HashMap<String, u32> = HashMap::new();
    for line in listing.lines() {
        if let Some((start, name)) = function_header(line) {
            if let Some((start, done)) = current.take() {
                image.insert(start, done);
            }
            constants.clear();
            current = Some((
                start,
                Function {
                    name,
                    ..Function::default()
                },
            ));
        } else if let (Some((_, function)), Some((mnemonic, operands))) =
            (current.as_mut(), instruction(line))
        {
            step(function, &mut constants, mnemonic, operands)
                .map_err(|e| format!("{}: {e}: {}", function.name, line.trim()))?;
        }
    }
    if let Some((start, done)) = current {
        image.insert(start, done);
    }
    Ok(image)
}

/// `00000124 <name>:`
fn function_header(line: &str) -> Option<(u64, String)> {
    let (address, rest) = line.split_once(" <")?;
    let name = rest.strip_suffix(">:")?;
    Some((u64::from_str_radix(address, 16).ok()?, name.to_owned()))
}

/// Mnemonic and operands of `  124:<tab>push<tab>{r4, lr}<tab>; comment`.
fn instruction(line: &str) -> Option<(&str, &str)> {
    let (address, rest) = line.split_once(":\t")?;
    u64::from_str_radix(address.trim(), 16).ok()?;
    let mut columns = rest.split('\t');
    let mnemonic = columns.next()?.trim();
    let operands = columns.next().unwrap_or("");
    let operands = operands.split([';', '@']).next()?;
    Some((mnemonic, operands.trim()))
}

fn step(
    function: &mut Function,
    constants: &mut HashMap<String, u32>,
    mnemonic: &str,
    operands: &str,
) -> Result<(), String> {
    let base = mnemonic.split('.').next().unwrap_or(mnemonic);
    function.frame += taken(base, operands, constants)?;
    if let Some(target) = branch_target(base, operands) {
        function.targets.insert(target);
    } else if is_indirect(base, operands) {
        function.indirect = true;
    }
    if matches!(base, "mov" | "movw" | "movs")
        && let Some((register, value)) = operands.split_once(", #")
    {
        constants.insert(register.to_owned(), number(value)?);
    }
    Ok(())
}

/// Octets that one instruction takes off the stack pointer.
fn taken(base: &str, operands: &str, constants: &HashMap<String, u32>) -> Result<u32, String> {
    if matches!(base, "push" | "vpush")
        || (matches!(base, "stmdb" | "vstmdb") && operands.starts_with("sp!"))
    {
        return register_list(operands);
    }
    if matches!(base, "sub" | "subw") && operands.starts_with("sp") {
        let last = operands.rsplit(", ").next().unwrap_or("");
        return match last.strip_prefix('#') {
            Some(value) => number(value),
            None => constants
                .get(last)
                .copied()
                .ok_or_else(|| "frame of unknown size".to_owned()),
        };
    }
    if let Some((_, amount)) = operands.split_once("[sp, #-")
        && let Some(amount) = amount.strip_suffix("]!")
    {
        return number(amount);
    }
    if matches!(base, "add" | "addi") {
        if let Some(amount) = operands.strip_prefix("sp,sp,-") {
            return number(amount);
        }
        if operands.starts_with("sp, r") {
            return Err("frame of unknown size".to_owned());
        }
    }
    Ok(0)
}

/// Octets of `{r4, r5, lr}` or `{d8-d15}`.
fn register_list(operands: &str) -> Result<u32, String> {
    let list = operands
        .split_once('{')
        .and_then(|(_, l)| l.split_once('}'))
        .ok_or("no register list")?
        .0;
    let mut octets = 0;
    for item in list.split(", ") {
        let each = if item.starts_with('d') { 8 } else { 4 };
        let count = match item.split_once('-') {
            Some((first, last)) => number(&last[1..])? - number(&first[1..])? + 1,
            None => 1,
        };
        octets += each * count;
    }
    Ok(octets)
}

/// The address in `304 <memcpy>` or `r0, 304 <f+0x10>` of a branch or call.
fn branch_target(base: &str, operands: &str) -> Option<u64> {
    if !(base.starts_with('b')
        || base.starts_with("cb")
        || base.starts_with('j')
        || base == "call"
        || base == "tail")
    {
        return None;
    }
    let (before, _) = operands.split_once(" <")?;
    let address = before.rsplit([' ', ',', '\t']).next()?;
    u64::from_str_radix(address, 16).ok()
}

fn is_indirect(base: &str, operands: &str) -> bool {
    match base {
        "blx" | "jalr" => true,
        "bx" => operands != "lr",
        "jr" => operands != "ra",
        _ => false,
    }
}

fn number(text: &str) -> Result<u32, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("'{text}' is no number"))
}

#[cfg(test)]
mod tests {
    use super::worst;

    const THUMB: &str = "\
00000100 <seal>:
     100:\tpush\t{r4, r5, r6, r7, lr}
     102:\tsub.w\tsp, sp, #624\t; 0x270
     106:\tbl\t200 <block>
     10a:\tcbz\tr0, 10e <seal+0xe>
     10e:\tpop\t{r4, r5, r6, r7, pc}

00000200 <block>:
     200:\tstmdb\tsp!, {r4, r5, r6, r7, r8, r9, sl, fp, lr}
     204:\tvpush\t{d8-d9}
     208:\tstrd\tr0, r1, [sp, #-16]!
     20c:\tldrb\tr0, [r1, #4]
     210:\tb.w\t300 <leaf>

00000300 <leaf>:
     300:\tmovw\tip, #4097\t; 0x1001
     304:\tsub\tsp, sp, ip
     308:\tbx\tlr
";

    #[test]
    fn frames_add_up_along_the_deepest_path() {
        assert_eq!(worst(THUMB, &["leaf"]), Ok((4097, "leaf".to_owned())));
        assert_eq!(
            worst(THUMB, &["block"]),
            Ok((36 + 16 + 16 + 4097, "block".to_owned()))
        );
        let seal = 20 + 624 + 36 + 16 + 16 + 4097;
        assert_eq!(
            worst(THUMB, &["leaf", "seal"]),
            Ok((seal, "seal".to_owned()))
        );
    }

    #[test]
    fn risc_v_frames_are_read() {
        let listing = "00000010 <f>:\n  10:\taddi\tsp,sp,-32\n  14:\tjal\tra,20 <g>\n  18:\tret\n\
                       00000020 <g>:\n  20:\taddi\tsp,sp,-16\n  24:\tret\n";
        assert_eq!(worst(listing, &["f"]), Ok((48, "f".to_owned())));
    }

    #[test]
    fn recursion_is_an_error() {
        let listing = "00000010 <f>:\n  10:\tbl\t20 <g>\n00000020 <g>:\n  20:\tbl\t10 <f>\n";
        assert!(worst(listing, &["f"]).is_err_and(|e| e.contains("calls itself")));
    }

    #[test]
    fn calls_through_a_register_reach_what_nobody_names() {
        let listing = "00000010 <f>:\n  10:\tpush\t{r4, lr}\n  12:\tblx\tr3\n\
                       00000020 <g>:\n  20:\tpush\t{r4, r5, r6, lr}\n";
        assert_eq!(worst(listing, &["f"]), Ok((24, "f".to_owned())));
    }

    #[test]
    fn what_cannot_be_known_is_an_error() {
        assert!(worst("00000010 <f>:\n  10:\tsub\tsp, sp, r6\n", &["f"]).is_err());
        assert!(worst("00000010 <f>:\n  10:\tadd\tsp, r6\n", &["f"]).is_err());
        assert!(worst(THUMB, &["open"]).is_err());
    }
}
