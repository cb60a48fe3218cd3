import Tensors

/// The built-in text: tales made by a grammar, from a seed.
///
/// What comes next follows from what stands at several distances: the letters of a word; the form
/// of a verb from its subject, across relative clauses and asides; the marks that close quotes and
/// brackets; sums, countings and songs; and from elsewhere in the paragraph its invented names, who
/// of them is "she" or "he", where each of them is, and what kind of nouns there are. Integers
/// alone decide, so a seed makes the same text on every platform.
struct Tales {
  private typealias Word = TaleWords.Word

  /// Somebody in a paragraph.
  private struct Person {
    let name: Word
    let isShe: Bool
    var place: Word?
  }

  private var text: [UInt8] = []
  private var random: Philox
  private var bits: UInt64 = 0
  private var bitsLeft = 0
  private var people: [Person] = []
  private var nouns: [TaleWords.Pair] = []
  /// Index of the person that a pronoun stands for.
  private var subject = 0
  private var startsSentence = true
  private var needsSpace = false
  /// Quotes, and brackets, that are open.
  private var (quotes, brackets) = (0, 0)

  /// All characters there are, ascending: no word starts with a C or an X.
  static let alphabet =
    "\n !\"'(),-.:?ABDEFGHIJKLMNOPQRSTUVWYZ[]abcdefghijklmnopqrstuvwxyz"

  /// The first `count` characters of the tales of a seed, all ASCII.
  static func text(count: Int, seed: UInt64) -> [UInt8] {
    var tales = Tales(random: Philox(seed: seed, stream: Philox.stream("tales")))
    while tales.text.count < count { tales.writeParagraph() }
    return Array(tales.text.prefix(count))
  }

  private init(random: Philox) { self.random = random }

  // MARK: Drawing

  /// Uniform in 0..<bound but for bound/2¹⁶; one number of the generator is enough for four.
  private mutating func index(below bound: Int) -> Int {
    if bitsLeft == 0 { (bits, bitsLeft) = (random.next(), 64) }
    let drawn = (Int(bits & 0xFFFF) * bound) >> 16
    bits >>= 16
    bitsLeft -= 16
    return drawn
  }

  /// True in one of so many cases.
  private mutating func oneIn(_ cases: Int) -> Bool { index(below: cases) == 0 }

  private mutating func any<Value>(of values: [Value]) -> Value {
    values[index(below: values.count)]
  }

  // MARK: Marks

  /// A word, with a capital where it starts a sentence.
  private mutating func write(_ word: Word) {
    if needsSpace { text.append(0x20) }
    let start = text.count
    text.append(contentsOf: word)
    if startsSentence && text[start] >= 0x61 { text[start] -= 0x20 }
    (needsSpace, startsSentence) = (true, false)
  }

  private mutating func write(_ words: StaticString) {
    write(Word(UnsafeBufferPointer(start: words.utf8Start, count: words.utf8CodeUnitCount)))
  }

  /// A mark behind a word.
  private mutating func mark(_ mark: Unicode.Scalar) { text.append(UInt8(mark.value)) }

  /// A mark that ends a sentence.
  private mutating func end(_ mark: Unicode.Scalar) {
    self.mark(mark)
    startsSentence = true
  }

  /// Text between marks, in which other marks take turns.
  private mutating func enclosed(
    _ open: Unicode.Scalar, _ close: Unicode.Scalar, _ write: (inout Self) -> Void
  ) {
    if needsSpace { text.append(0x20) }
    mark(open)
    needsSpace = false
    write(&self)
    mark(close)
    needsSpace = true
  }

  private mutating func quoted(_ write: (inout Self) -> Void) {
    let quote: Unicode.Scalar = quotes % 2 == 0 ? "\"" : "'"
    quotes += 1
    enclosed(quote, quote, write)
    quotes -= 1
  }

  private mutating func bracketed(_ write: (inout Self) -> Void) {
    let isRound = brackets % 2 == 0
    brackets += 1
    enclosed(isRound ? "(" : "[", isRound ? ")" : "]", write)
    brackets -= 1
  }

  // MARK: Paragraphs

  private mutating func writeParagraph() {
    nouns = any(of: TaleWords.themes)
    people = (0..<(2 + index(below: 3))).map { _ in person() }
    needsSpace = false
    // Somebody is named before a pronoun is.
    writeMove()
    for _ in 0..<(4 + index(below: 6)) { writeSentence() }
    mark("\n")
  }

  private mutating func person() -> Person {
    let isShe = oneIn(2)
    var name = syllable() + syllable()
    if oneIn(3) { name += syllable() }
    name += any(of: TaleWords.endings[isShe ? 0 : 1])
    name[0] -= 0x20
    return Person(name: name, isShe: isShe)
  }

  private mutating func syllable() -> Word {
    any(of: TaleWords.onsets) + any(of: TaleWords.vowels)
  }

  private mutating func writeSentence() {
    switch index(below: 16) {
    case 0..<5:
      writeClause()
      end(".")
    case 5..<7: writeSpeech()
    case 7..<9:
      write(people[subject].isShe ? "she" : "he")
      writePredicate(isPlural: false)
      end(".")
    case 9..<11: writeMove()
    case 11..<13: writeQuestion()
    case 13: writeSum()
    case 14: writeCounting()
    default: writeSong()
    }
  }

  /// Names somebody, whom a pronoun stands for from there on.
  private mutating func writeName() {
    subject = index(below: people.count)
    write(people[subject].name)
  }

  /// Somebody else than the one whom a pronoun stands for.
  private mutating func another() -> Person {
    people[(subject + 1 + index(below: people.count - 1)) % people.count]
  }

  private mutating func writeSpeech() {
    writeName()
    let speech = index(below: TaleWords.speaking.count)
    write(TaleWords.speaking[speech].word)
    mark(",")
    quoted { tales in
      tales.startsSentence = true
      if tales.quotes < 3 && tales.oneIn(4) {
        tales.writeSpeech()
      } else {
        tales.writeClause()
        tales.end(TaleWords.speaking[speech].end)
      }
    }
    startsSentence = true
  }

  private mutating func writeMove() {
    writeName()
    let place = any(of: TaleWords.places)
    people[subject].place = place
    write("is now")
    write(place)
    end(".")
  }

  /// Where somebody is, who was said to be there in this paragraph.
  private mutating func writeQuestion() {
    let asked = index(below: people.count)
    guard let place = people[asked].place else { return writeMove() }
    subject = asked
    write("where is")
    write(people[subject].name)
    end("?")
    write(place)
    end(".")
  }

  private mutating func writeSum() {
    let (first, second) = (1 + index(below: 10), 1 + index(below: 10))
    let isSum = oneIn(2)
    write(TaleWords.numbers[isSum ? first : first + second])
    write(isSum ? "and" : "less")
    write(TaleWords.numbers[second])
    write(isSum ? "make" : "leaves")
    write(TaleWords.numbers[isSum ? first + second : first])
    end(".")
  }

  private mutating func writeCounting() {
    let (first, step) = (index(below: 10), 1 + index(below: 2))
    let count = 3 + index(below: 4)
    let falls = oneIn(2)
    writeName()
    write("counts")
    for place in 0..<count {
      mark(place == 0 ? ":" : ",")
      write(TaleWords.numbers[first + step * (falls ? count - 1 - place : place)])
    }
    end(".")
  }

  private mutating func writeSong() {
    writeName()
    write("sings")
    mark(":")
    let lines = [syllable() + [0x2D] + syllable(), syllable() + [0x2D] + syllable()]
    let order = any(of: TaleWords.songs)
    quoted { tales in
      for (place, line) in order.enumerated() {
        if place > 0 { tales.mark(",") }
        tales.write(lines[line])
      }
      tales.end("!")
    }
  }

  // MARK: Clauses

  private mutating func writeClause(depth: Int = 0) {
    let isPlural = writeSubject(depth: depth)
    writePredicate(isPlural: isPlural, depth: depth)
    if depth == 0 && oneIn(5) {
      mark(",")
      write(any(of: TaleWords.conjunctions))
      writeClause(depth: 1)
    }
  }

  /// - Returns: whether it is plural.
  private mutating func writeSubject(depth: Int) -> Bool {
    guard index(below: 5) < 2 else { return writeNouns(depth: depth) }
    writeName()
    guard oneIn(6) else { return false }
    write("and")
    write(another().name)
    return true
  }

  private mutating func writePredicate(isPlural: Bool, depth: Int = 0) {
    switch index(below: 8) {
    case 0..<4:
      write(any(of: TaleWords.transitive).form(isPlural))
      if oneIn(4) {
        write(another().name)
      } else {
        _ = writeNouns(depth: depth + 1)
      }
    case 4..<6:
      write(any(of: TaleWords.intransitive).form(isPlural))
      if oneIn(2) { write(any(of: TaleWords.adverbs)) }
    default:
      write(isPlural ? "are" : "is")
      write(any(of: TaleWords.adjectives))
    }
  }

  /// - Returns: whether they are plural.
  private mutating func writeNouns(depth: Int) -> Bool {
    let isPlural = oneIn(2)
    let adjective = oneIn(2) ? any(of: TaleWords.adjectives) : nil
    let noun = any(of: nouns).form(isPlural)
    switch index(below: 4) {
    case 0 where isPlural: write(TaleWords.numbers[2 + index(below: 8)])
    case 0:
      let next = (adjective ?? noun)[0]
      write(TaleWords.vowels.contains([next]) ? "an" : "a")
    default: write("the")
    }
    if let adjective { write(adjective) }
    write(noun)
    guard depth < 2 else { return isPlural }
    switch index(below: 10) {
    case 0:
      write("that")
      writePredicate(isPlural: isPlural, depth: depth + 1)
    case 1:
      write("that")
      write(another().name)
      write(any(of: TaleWords.transitive).singular)
    case 2:
      write(any(of: TaleWords.prepositions))
      _ = writeNouns(depth: depth + 1)
    case 3:
      bracketed { $0.writeClause(depth: depth + 1) }
    default: break
    }
    return isPlural
  }
}

extension TokenSequence {
  /// The built-in text: tales made from a seed, by character, of 64 characters.
  ///
  ///     TokenSequence.tales(count: 60).text(0..<60)
  ///
  /// - count: characters, ≥ 1. A shorter text is the start of a longer one of the same seed.
  /// - seed: the same text for the same seed on every platform.
  ///
  /// Meant to be learnable but not trivial: see the figures in the tests.
  public static func tales(count: Int = 1_000_000, seed: UInt64 = 0) -> TokenSequence {
    precondition(count >= 1, "tales: count \(count), expected ≥ 1")
    let alphabet = Array(Tales.alphabet.unicodeScalars)
    return TokenSequence(
      name: "tales", storage: .tokens(ofUTF8: Tales.text(count: count, seed: seed), alphabet),
      vocabulary: .characters(alphabet))
  }
}

extension LoadedTokens {
  /// The tokens that are trained on where no data is given, made at their first use.
  public static let builtIn = LoadedTokens(train: .tales())
}
