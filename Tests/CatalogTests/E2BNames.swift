/// The names of E2B's own list (`spec/mcp-server.json`, SDK 2.63.0): a server's key, `=`, and its properties.
/// `!` marks one that it requires; `:i` is an integer, `:n` a number, `:b` a boolean, `:a` an array of strings,
/// anything else a string.
enum E2BNames {
    struct Property {
        var name: String
        var kind: Character
        var isRequired: Bool
    }

    static let servers: [(key: String, properties: [Property])] = {
        var servers: [(key: String, properties: [Property])] = []
        for line in table.split(separator: "\n") {
            var words = line.split(separator: " ")
            if line.first != " " {
                servers.append((String(words.removeFirst()), []))
                words.removeFirst()
            }
            servers[servers.count - 1].properties += words.map(property)
        }
        return servers
    }()

    private static func property(_ word: Substring) -> Property {
        let isRequired = word.hasSuffix("!")
        let parts = (isRequired ? word.dropLast() : word).split(separator: ":")
        let kind = parts.count > 1 ? parts[1].first : nil
        return Property(name: String(parts[0]), kind: kind ?? "s", isRequired: isRequired)
    }

    private static let table = """
        airtable = airtableApiKey! nodeenv!
        aks = accessLevel! additionalTools allowNamespaces azureDir! containerUser kubeconfig!
        alfresco = alfrescoHost!
        amazonBedrockAgentcore =
        amazonKendraIndex = awsProfile awsRegion kendraIndexId!
        amazonNeptune = awsProfile awsRegion neptuneEndpoint!
        amazonQbusinessAnonymous = awsAccessKeyId awsProfile awsRegion awsSecretAccessKey awsSessionToken
          qbusinessApplicationId!
        apiGateway = api1HeaderAuthorization! api1Name! api1SwaggerUrl!
        apify = apifyToken! tools!
        arm = sshKnownHostsPath sshPrivateKeyPath workspacePath!
        arxiv = storagePath!
        astGrep = path!
        astraDb = astraDbApplicationToken! endpoint!
        astroDocs =
        atlan = apiKey! baseUrl!
        atlasDocs = apiUrl!
        atlassian = confluenceApiToken confluencePersonalToken confluenceUrl! confluenceUsername jiraApiToken
          jiraPersonalToken jiraUrl! jiraUsername
        audienseInsights = audienseClientSecret clientId! twitterBearerToken
        awsApi = awsAccessKeyId! awsProfileName! awsRegion! awsSecretAccessKey! awsSessionToken!
        awsAppsync = awsAccessKeyId! awsProfile! awsRegion! awsSecretAccessKey! awsSessionToken!
        awsBedrockCustomModelImport = awsAccessKeyId! awsProfile! awsRegion! awsSecretAccessKey!
          awsSessionToken! bedrockModelImportS3Bucket!
        awsBedrockDataAutomation = awsBucketName! awsProfile awsRegion
        awsCdk =
        awsCore =
        awsDataprocessing = awsProfile! awsRegion!
        awsDiagram = outputDir!
        awsDocumentation =
        awsHealthomics = awsProfile! awsRegion!
        awsIotSitewise = awsProfile! awsRegion!
        awsKbRetrievalServer = accessKeyId! awsSecretAccessKey
        awsLocation = awsAccessKeyId! awsProfile! awsRegion! awsSecretAccessKey! awsSessionToken!
        awsMsk = awsAccessKeyId! awsProfile! awsRegion! awsSecretAccessKey! awsSessionToken!
        awsPricing = awsAccessKeyId! awsProfile! awsRegion! awsSecretAccessKey! awsSessionToken!
        awsTerraform =
        awslabsBillingCostManagement = awsProfile! awsRegion! storageLensManifestLocation!
        awslabsCcapi = awsAccessKeyId! awsProfile! awsRegion! awsSecretAccessKey!
        awslabsCfn = awsAccessKeyId! awsProfile! awsRegion! awsSecretAccessKey! awsSessionToken!
        awslabsCloudtrail = awsProfile!
        awslabsCloudwatch = awsProfile! awsRegion!
        awslabsCloudwatchAppsignals = awsProfile! awsRegion!
        awslabsCostExplorer = awsAccessKeyId! awsProfile! awsRegion! awsSecretAccessKey! awsSessionToken!
        awslabsDynamodb = awsProfile! awsRegion!
        awslabsElasticache = awsProfile! awsRegion!
        awslabsIam = awsAccessKeyId! awsProfile! awsRegion! awsSecretAccessKey!
        awslabsMemcached = memcachedHost! memcachedPort
        awslabsNovaCanvas = awsAccessKeyId! awsProfile! awsRegion! awsSecretAccessKey! awsSessionToken!
        awslabsRedshift = awsProfile! awsRegion!
        awslabsS3Tables = awsAccessKeyId! awsProfile! awsRegion! awsSecretAccessKey! awsSessionToken!
        awslabsTimestreamForInfluxdb = awsProfile! awsRegion!
        awslabsValkey = valkeyHost! valkeyPort!
        azure =
        beagleSecurity = beagleSecurityApiToken!
        bitrefill = apiId! apiSecret
        box = clientId! clientSecret
        brave = apiKey!
        browserbase = apiKey! geminiApiKey! projectId!
        buildkite = apiToken!
        camunda = camundahost!
        charmhealth = charmhealthApiKey! charmhealthBaseUrl! charmhealthClientId! charmhealthClientSecret!
          charmhealthRedirectUri! charmhealthRefreshToken! charmhealthTokenUrl!
        chroma = apiKey!
        circleci = token! url!
        clickhouse = connectTimeout! host! password! port! secure! sendReceiveTimeout! user! verify!
        close = apiKey!
        cloudRun = credentialsPath!
        cloudflareDocs =
        cockroachdb = caPath! crdbPwd! database! host! port:i! sslCertfile! sslKeyfile! sslMode! username!
        codeInterpreter =
        context7 = apiKey!
        couchbase = cbBucketName! cbConnectionString! cbMcpReadOnlyQueryMode! cbPassword! cbUsername!
        cylera = cyleraBaseUrl! cyleraPassword! cyleraUsername!
        cyreslabAiShodan = shodanApiKey!
        dappier = apiKey!
        dappierRemote = dappierRemoteApiKey!
        dart = host! token!
        databaseServer = databaseUrl!
        databutton =
        deepwiki =
        descope = managementKey projectId!
        desktopCommander = paths:a!
        devhubCms = devhubApiKey devhubApiSecret url!
        discord = discordToken!
        dockerhub = hubPatToken! username!
        dodoPayments = dodoPaymentsApiKey!
        dotnetTypesExplorer =
        dreamfactory = dreamfactoryapikey! dreamfactoryurl!
        duckduckgo =
        dynatrace = oauthClientId! oauthClientSecret! url!
        e2b = apiKey!
        edubase = apiKey app! url!
        effect =
        elasticsearch = esApiKey url!
        elevenlabs = apiKey data!
        everart = apiKey!
        exa = apiKey!
        explorium = apiAccessToken!
        fetch =
        fibery = apiToken! host!
        filesystem = paths:a!
        findADomain =
        firecrawl = apiKey! creditCriticalThreshold:i! creditWarningThreshold:i! retryBackoffFactor:i!
          retryDelay:i! retryMax:i! retryMaxDelay:i! url!
        firewalla = boxId! firewallaMspToken! mspId!
        geminiApiDocs =
        git = paths:a!
        github = personalAccessToken!
        githubChat = githubApiKey!
        githubOfficial = githubPersonalAccessToken!
        gitlab = personalAccessToken! url!
        gitmcp =
        glif = apiToken! ids! ignoredSaved:b!
        gmail = emailAddress! emailPassword
        googleFlights =
        googleMaps = googleMapsApiKey!
        googleMapsComprehensive = googleMapsApiKey!
        grafana = apiKey! url!
        gyazo = accessToken!
        hackernews =
        hackle = apiKey!
        handwritingOcr = apiToken!
        hdx = appIdentifier!
        heroku = apiKey!
        hostinger = apitoken!
        hoverfly = data!
        hubspot = apiKey!
        huggingFace =
        hummingbot = apiUrl! hummingbotApiPassword hummingbotApiUsername
        husqvarnaAutomower = clientId! husqvarnaClientSecret!
        hyperbrowser = apiKey!
        hyperspell = collection! token! useResources:b!
        iaptic = apiKey appName!
        inspektorGadget = gadgetImages kubeconfig!
        javadocs =
        jetbrains = port:i!
        kafkaSchemaReg = registryUrl! schemaRegistryPassword schemaRegistryUser slimMode viewonly
        kagisearch = engine! kagiApiKey!
        keboola = kbcStorageToken! kbcWorkspaceSchema!
        kong = konnectAccessToken! region!
        kubectl = kubeconfig!
        kubernetes = configPath!
        lara = accessKeySecret keyId!
        line = channelAccessToken userId!
        linkedin = linkedinCookie! userAgent!
        llmtxt =
        maestro = apiKeyApiKey!
        manifold =
        mapbox = accessToken!
        mapboxDevkit = mapboxAccessToken!
        markdownify = paths:a!
        markitdown = paths:a!
        mavenTools =
        memory =
        mercadoLibre = mercadoLibreApiKey!
        mercadoPago = mercadoPagoApiKey!
        metabase = apiKey! metabaseurl! metabaseusername! password!
        minecraftWiki =
        mongodb = mdbMcpConnectionString!
        multiversxMx = network! wallet!
        n8n = apiKey! apiUrl!
        nasdaqDataLink = nasdaqDataLinkApiKey!
        needle = needleApiKey!
        neo4j = database! password! readOnly:b! telemetry:b! uri! username!
        neo4jCloudAuraApi = clientId! neo4jAuraClientSecret serverAllowOrigins serverAllowedHosts serverHost
          serverPath serverPort transport
        neo4jCypher = database namespace neo4jPassword readOnly:b readTimeout responseTokenLimit
          schemaSampleSize serverAllowOrigins serverAllowedHosts serverHost serverPath serverPort transport url!
          username!
        neo4jDataModeling = serverAllowOrigins! serverAllowedHosts! serverHost! serverPath! serverPort!
          transport!
        neo4jMemory = database neo4jPassword serverAllowOrigins serverAllowedHosts serverHost serverPath
          serverPort transport url! username!
        neon = apiKey!
        nextDevtools =
        nodeCodeSandbox =
        notion = internalIntegrationToken!
        novita =
        npmSentinel =
        obsidian = apiKey!
        okta = logPath! oktaClientId! oktaKeyId! oktaLogLevel! oktaOrgUrl! oktaPrivateKey! oktaScopes!
        oktaMcpFctr = clientOrgurl! concurrentLimit logLevel oktaApiToken
        omi = apiKey!
        onlyofficeDocspace = baseUrl! docspaceApiKey!
        openapi = mode!
        openapiSchema = SchemaPath!
        openbnbAirbnb =
        openmesh =
        openweather = owmApiKey!
        openzeppelinCairo =
        openzeppelinSolidity =
        openzeppelinStellar =
        openzeppelinStylus =
        opik = apiBaseUrl! apiKey! workspaceName!
        opine = opineApiKey!
        oracle = oracleConnectionString! oracleUser! password!
        ospMarketingTools =
        oxylabs = password username!
        paperSearch =
        perplexityAsk = perplexityApiKey!
        pia = apiKey!
        pinecone = apiKey! assistantHost!
        playwright = data!
        pluggedinMcpProxy = pluggedinApiBaseUrl! pluggedinApiKey!
        polarSignals = polarSignalsApiKey!
        pomodash = apiKey!
        postman = apiKey!
        prefEditor =
        prometheus = prometheusUrl!
        proxmox = host! password port timeout tokenName! tokenValue! user verifySsl
        puppeteer =
        pythonRefactoring =
        quantconnect = agentname! quantconnectapitoken! quantconnectuserid!
        ramparts =
        razorpay = keyId! keySecret
        reddit = redditClientId! redditClientSecret! redditPassword! username!
        redis = caCerts! caPath! certReqs! clusterMode:b! host! port:i! pwd! ssl:b! sslCertfile! sslKeyfile!
          username!
        redisCloud = apiKey! secretKey
        ref = apiKey!
        remote =
        render = apiKey!
        resend = apiKey replyTo! sender!
        risken = accessToken! url!
        ros2 =
        rube = apiKey!
        rustMcpFilesystem = allowWrite:b! allowedDirectories:a! enableRoots:b!
        schemacrawlerAi = generalInfoLevel! generalLogLevel schcrwlrDatabasePassword schcrwlrDatabaseUser
          serverConnectionDatabase serverConnectionHost serverConnectionPort:i serverConnectionServer!
          urlConnectionJdbcUrl! volumeHostShare!
        schoginiMcpImageBorder =
        scrapegraph = sgaiApiKey!
        scrapezy = apiKey!
        securenoteLink =
        semgrep =
        sentry = authToken!
        sequa = apiKey! mcpServerUrl!
        sequentialthinking =
        shortIo = shortIoApiKey!
        simplechecklist =
        singlestore = mcpApiKey!
        slack = botToken channelIds teamId!
        smartbear = apiHubApiKey! bugsnagApiKey! bugsnagAuthToken! bugsnagEndpoint! pactBrokerBaseUrl!
          pactBrokerPassword! pactBrokerToken! pactBrokerUsername! reflectApiToken!
        sonarqube = org! token! url!
        sqlite =
        stackgen = token url!
        stackhawk = apiKey!
        stripe = secretKey!
        supadata = apiKey!
        suzieq = apiEndpoint! apiKey!
        taskOrchestrator =
        tavily = apiKey!
        teamwork = twMcpBearerToken!
        telnyx = apiKey!
        temporal = apiKey temporalHost! temporalNamespace! temporalTlsClientCertPath temporalTlsClientKeyPath
          temporalTlsEnabled
        terraform =
        testkube = tkAccessToken! tkControlPlaneUrl! tkEnvId! tkOrgId!
        textToGraphql = graphqlApiKey! graphqlAuthType! graphqlEndpoint! modelName! modelTemperature:n!
          openaiApiKey!
        thingsboard = password url! username
        tigris = awsAccessKeyId! awsEndpointUrlS3! awsSecretAccessKey
        time =
        unrealEngine = logLevel ueHost! ueRcHttpPort! ueRcWsPort!
        vectraAiRux = VECTRACLIENTID! vectraClientSecret vectraUrl
        veyrax = apiKey!
        victorialogs = mcpDisabledTools mcpHeartbeatInterval mcpListenAddr mcpServerMode vlInstanceBearerToken
          vlInstanceEntrypoint! vlInstanceHeaders
        victoriametrics = mcpDisableResources mcpDisabledTools mcpHeartbeatInterval mcpListenAddr mcpServerMode
          vmInstanceBearerToken vmInstanceEntrypoint! vmInstanceHeaders vmInstanceType!
        victoriatraces = mcpDisabledTools mcpHeartbeatInterval mcpListenAddr mcpServerMode vtInstanceBearerToken
          vtInstanceEntrypoint! vtInstanceHeaders
        vizro =
        vulnNist =
        wayfound = mcpApiKey!
        webflow = token!
        wikipedia =
        wolframAlpha = wolframApiKey!
        youtubeTranscript =
        zen = geminiApiKey! openaiApiKey! openrouterApiKey! xaiApiKey!
        zerodhaKite = kiteAccessToken kiteApiKey! kiteApiSecret kiteRedirectUrl
        zscaler = disabledServices! disabledTools! skipConfirmations! writeEnabled! writeTools! zscalerClientId!
          zscalerClientSecret! zscalerCloud! zscalerCustomerId! zscalerVanityDomain!
        """
}
