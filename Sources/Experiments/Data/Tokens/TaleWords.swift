/// The words that the built-in text is made of, as UTF-8.
enum TaleWords {
  typealias Word = [UInt8]

  /// A word that agrees in number: a noun by its own, a verb by its subject's.
  struct Pair: Sendable {
    let singular, plural: Word

    func form(_ isPlural: Bool) -> Word { isPlural ? plural : singular }
  }

  /// What a paragraph is about: its nouns come from one of these.
  static let themes: [[Pair]] = [
    pairs(
      """
      fox foxes, mouse mice, wolf wolves, sheep sheep, goose geese, horse horses, owl owls,
      cat cats, ox oxen, bee bees
      """),
    pairs(
      """
      ship ships, sailor sailors, wave waves, fish fish, island islands, gull gulls, net
      nets, storm storms, lighthouse lighthouses, crew crews
      """),
    pairs(
      """
      king kings, queen queens, knight knights, thief thieves, jewel jewels, bridge bridges,
      guard guards, sword swords, lady ladies, page pages
      """),
    pairs(
      """
      baker bakers, loaf loaves, knife knives, child children, jar jars, oven ovens, cherry
      cherries, cook cooks, dish dishes, guest guests
      """),
    pairs(
      """
      tree trees, leaf leaves, river rivers, lily lilies, stone stones, hunter hunters,
      branch branches, cloud clouds, path paths, moth moths
      """),
  ]

  static let adjectives = words(
    """
    old young quick quiet brave lazy black white small huge kind angry wise jolly dusty
    golden hungry tired warm cold odd proud exact zealous
    """)

  /// With an object.
  static let transitive = pairs(
    """
    sees see, finds find, follows follow, hears hear, calls call, helps help, fears fear,
    likes like, watches watch, carries carry, loses lose, greets greet, pushes push, passes
    pass, holds hold, knows know, asks ask, mixes mix
    """)

  /// Without one.
  static let intransitive = pairs(
    """
    sleeps sleep, waits wait, sings sing, runs run, falls fall, laughs laugh, hides hide,
    dances dance, rests rest, turns turn, cries cry, vanishes vanish
    """)

  static let adverbs = words("slowly again today softly alone often at|once far|away every|night")
  static let prepositions = words("near behind under above beside before")
  static let conjunctions = words("and but while because so")

  /// How somebody speaks, and what ends it.
  static let speaking: [(word: Word, end: Unicode.Scalar)] = [
    ("said", "."), ("asked", "?"), ("whispered", "."), ("shouted", "!"), ("answered", "."),
  ].map { (Word($0.0.utf8), $0.1) }

  /// Which of its two lines a song has in turn.
  static let songs = [[0, 0, 1, 0], [0, 1, 0, 1], [0, 1, 1, 0], [0, 0, 1, 1]]

  /// Where somebody can be.
  static let places = words(
    """
    in|the|barn at|the|mill on|the|hill by|the|well in|the|garden at|the|harbour
    under|the|oak on|the|roof
    """)

  /// From 0.
  static let numbers = words(
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen twenty
    """)

  // MARK: Names

  static let onsets = words("b d f g h j k l m n p qu r s t v w y z th")
  static let vowels = words("a e i o u")
  /// The ends of the names of those who are "she", and of those who are "he".
  static let endings = [words("na la ra va"), words("n r s k")]

  /// Words with spaces between them; a bar stands for a space within a phrase.
  private static func words(_ list: String) -> [Word] {
    list.split(whereSeparator: \.isWhitespace).map { Word($0.replacing("|", with: " ").utf8) }
  }

  private static func pairs(_ list: String) -> [Pair] {
    list.split(separator: ",").map { pair in
      let forms = words(String(pair))
      return Pair(singular: forms[0], plural: forms[1])
    }
  }
}
