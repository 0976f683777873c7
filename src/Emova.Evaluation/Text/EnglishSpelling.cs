namespace Emova.Evaluation.Text;

/// <summary>
/// British to American spelling, by word families ("colour" with all its endings) rather than by a list of every form.
/// </summary>
public static class EnglishSpelling
{
    private static readonly Dictionary<string, string> Table = Build();

    /// <summary>Replaces the British words of a lower-case, space-separated text.</summary>
    public static string Americanize(string text) =>
        string.Join(' ', text.Split(' ').Select(word => Table.GetValueOrDefault(word, word)));

    private static Dictionary<string, string> Build()
    {
        var table = new Dictionary<string, string>();

        // -our: color, colors, colored, coloring, colorful, ...
        string[] ourEndings = ["", "s", "ed", "ing", "er", "ers", "able", "ably", "ful", "fully", "less", "ite", "ites", "hood", "hoods", "ly"];
        foreach (string stem in "arb arm ard behavi cand clam col demean discol dishon enam endeav fav ferv flav glam harb hon hum lab multicol neighb od parl ranc rig rum sav splend tum val vap vig watercol misdemean disfav succ".Split(' '))
            foreach (string ending in ourEndings)
                table[stem + "our" + ending] = stem + "or" + ending;

        // -ise and -isation.
        string[] iseEndings = ["ise", "ises", "ised", "ising", "iser", "isers", "isation", "isations"];
        foreach (string stem in ("agon alphabet american anaesthet antagon apolog author brutal capital categor central character civil colon commercial computer critic "
            + "crystall custom decentral demoral digit dramat econom emphas empath equal fantas fertil final formal fossil general global harmon "
            + "hospital hypnot ideal immun individual industrial initial ital jeopard legal liberal local magnet materialn materia memor mesmer minim maxim "
            + "mobil modern monopol moral national natural neutral normal optim organ ostrac oxid pasteur patron penal personal polar popular pressur priorit "
            + "privat public random rational real recogn reorgan revital revolution sanit scrutin sensational serial social special stabil standard steril stigmat "
            + "subsid summar symbol sympath synchron synthes tantal terror theor traumat trivial tyrann union urban util vandal verbal victim visual vital vocal "
            + "western disorgan").Split(' '))
            foreach (string ending in iseEndings)
                table[stem + ending] = stem + ending.Replace("is", "iz", StringComparison.Ordinal);

        // -yse.
        foreach (string stem in "anal catal paral psychoanal dial electrol hydrol".Split(' '))
            foreach (string ending in new[] { "yse", "ysed", "yser", "ysers", "ysing" })
                table[stem + ending] = stem + "yz" + ending[2..];

        // -re.
        foreach (string stem in "cent theat fib lit met calib lust sab meag sepulch spect somb och amphitheat centimet millimet kilomet mit goit reconnoit epicent".Split(' '))
        {
            table[stem + "re"] = stem + "er";
            table[stem + "res"] = stem + "ers";
            table[stem + "red"] = stem + "ered";
        }

        // Doubled l before an ending.
        foreach (string stem in ("cancel channel counsel dial duel enamel equal fuel funnel gambol grovel initial jewel label level libel marshal marvel model panel pedal pencil pummel "
            + "quarrel ravel refuel rival shovel shrivel signal snivel spiral swivel total towel travel tunnel unravel").Split(' '))
            foreach (string ending in new[] { "ed", "ing", "er", "ers", "ings", "ous", "ously" })
                table[stem + "l" + ending] = stem + ending;

        // Single l at the end of a stressed stem.
        foreach (string stem in "enrol fulfil instal instil distil enthral appal skilful wilful".Split(' '))
        {
            string american = stem.EndsWith("ful", StringComparison.Ordinal) ? stem[..^3] + "lful" : stem + "l";
            foreach (string ending in new[] { "", "s", "ment", "ments", "ly" })
                table.TryAdd(stem + ending, american + ending);
        }

        // -ogue, -ence, ae and oe, and words of their own.
        foreach (string stem in "anal catal dial epil homol monol prol".Split(' '))
        {
            table[stem + "ogue"] = stem + "og";
            table[stem + "ogues"] = stem + "ogs";
        }
        foreach (string pair in ("defence:defense offence:offense pretence:pretense licence:license practise:practice practised:practiced practising:practicing "
            + "grey:gray greys:grays greyed:grayed greying:graying greyish:grayish aeroplane:airplane aeroplanes:airplanes tyre:tire tyres:tires plough:plow ploughed:plowed "
            + "ploughs:plows cheque:check cheques:checks chequered:checkered kerb:curb kerbs:curbs pyjamas:pajamas programme:program programmes:programs jewellery:jewelry "
            + "moustache:mustache moustaches:mustaches mould:mold moulds:molds mouldy:moldy moult:molt smoulder:smolder sceptic:skeptic sceptical:skeptical sceptics:skeptics "
            + "scepticism:skepticism storey:story storeys:stories sulphur:sulfur aluminium:aluminum artefact:artifact artefacts:artifacts cosy:cozy cosier:cozier "
            + "doughnut:donut draught:draft draughts:drafts draughty:drafty gaol:jail manoeuvre:maneuver manoeuvres:maneuvers manoeuvred:maneuvered ageing:aging "
            + "judgement:judgment judgements:judgments acknowledgement:acknowledgment likeable:likable sizeable:sizable speciality:specialty carat:karat woollen:woolen "
            + "anaemia:anemia anaemic:anemic anaesthetic:anesthetic anaesthesia:anesthesia archaeology:archeology encyclopaedia:encyclopedia faeces:feces haemoglobin:hemoglobin "
            + "haemorrhage:hemorrhage leukaemia:leukemia mediaeval:medieval orthopaedic:orthopedic paediatric:pediatric paediatrician:pediatrician diarrhoea:diarrhea "
            + "foetus:fetus foetal:fetal oesophagus:esophagus oestrogen:estrogen homoeopathy:homeopathy cypher:cipher disc:disk yoghurt:yogurt "
            + "furore:furor marvellous:marvelous favourite:favorite favourites:favorites honourable:honorable snowplough:snowplow gramme:gram kilogramme:kilogram "
            + "kilogrammes:kilograms grammes:grams learnt:learned burnt:burned spelt:spelled dreamt:dreamed leant:leaned leapt:leaped").Split(' '))
            table[pair[..pair.IndexOf(':', StringComparison.Ordinal)]] = pair[(pair.IndexOf(':', StringComparison.Ordinal) + 1)..];
        return table;
    }
}
