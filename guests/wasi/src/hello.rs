//! The smallest program: what a run costs beyond itself.

fn main() {
    println!("hello");
}
