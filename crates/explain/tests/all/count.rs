//! A job like the demo's: files of a directory are counted and added up.

use weft_object::Handle;

use crate::world::World;

/// `top(walk(ref(directory)))`, where `walk` counts each file and adds up.
pub(crate) struct Count {
    pub(crate) world: World,
    pub(crate) top: Handle,
    pub(crate) walk: Handle,
    pub(crate) count: Handle,
    pub(crate) sum: Handle,
}

impl Count {
    pub(crate) fn new() -> Self {
        let world = World::default();
        let [top, walk, count, sum] =
            ["top", "walk", "count", "sum"].map(|name| world.blob(name.repeat(20)));
        Self { world, top, walk, count, sum }
    }

    /// All of it done, for files of these texts.
    pub(crate) fn done(&self, texts: &[(&str, &str)]) -> (Handle, Handle) {
        let world = &self.world;
        let files: Vec<_> = texts.iter().map(|(name, text)| (*name, world.blob(text))).collect();
        let directory = world.directory(files.iter().copied()).lower().unwrap();
        let walk = world.apply(self.walk, &[directory]);
        let counts: Vec<_> =
            files.iter().map(|(_, file)| world.apply(self.count, &[*file])).collect();
        let table = |text: &str| world.blob(format!("a table of words of {text}").repeat(2));
        let asked: Vec<_> = counts.iter().map(|count| count.strict().unwrap()).collect();
        world.relate(walk, world.apply(self.sum, &asked), 100);
        let tables: Vec<_> = texts.iter().map(|(_, text)| table(text)).collect();
        for (count, table) in counts.iter().zip(&tables) {
            world.relate(*count, *table, 1000);
        }
        let all = table(&texts.iter().map(|(_, text)| *text).collect::<String>());
        world.relate(world.apply(self.sum, &tables), all, 50);
        let best = world.blob(format!("the best of {texts:?}"));
        world.relate(world.apply(self.top, &[all]), best, 10);
        (world.apply(self.top, &[walk.strict().unwrap()]), best)
    }
}

pub(crate) const OLD: [(&str, &str); 3] = [
    ("lib/a", "the first text, of more than thirty bytes"),
    ("lib/b", "the second text, of more than thirty bytes"),
    ("z", "the third text, of more than thirty bytes"),
];

pub(crate) fn changed() -> [(&'static str, &'static str); 3] {
    let mut texts = OLD;
    texts[1].1 = "the second text, which is another one by now";
    texts
}
